// SPDX-License-Identifier: Apache-2.0
#include "sim/lean/rules.h"

#include <algorithm>
#include <vector>

namespace wakeline::sim::lean {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Duration doubled(Duration first, std::uint32_t times, Duration most) {
  return std::min(most, first * (std::int64_t{1} << std::min<std::uint32_t>(times, 20)));
}
/// Between `low` and `high` per cent of `span`.
Duration part(Duration span, int low, int high, base::Random& random) {
  return random.between(span / 100 * low, span / 100 * high);
}

template <class Derived>
class Named : public Rules {
 public:
  std::string_view name() const override { return Derived::kName; }
  std::unique_ptr<Rules> clone() const override {
    return std::make_unique<Derived>(static_cast<const Derived&>(*this));
  }
};

/// Source: Tencent Mars v1.3.0, smart_heartbeat.cc (210 s, steps of 60 s after three successes,
/// back by 20 s after a failure, at most 580 s) and longlink_connect_monitor.cc (background).
class Mars final : public Named<Mars> {
 public:
  static constexpr std::string_view kName = "Mars";
  Duration gap(base::Random&) override { return gap_; }
  Duration patience() const override { return seconds(8); }
  void alive(Duration) override {
    if (settled_ || ++successes_ < 3) return;
    successes_ = 0;
    gap_ = std::min<Duration>(gap_ + seconds(60), seconds(580));
  }
  void dead(Duration) override {
    successes_ = 0;
    if (++failures_ < 2) return;
    failures_ = 0;
    gap_ = std::max<Duration>(gap_ - seconds(settled_ ? 60 : 80), seconds(210));
    settled_ = true;
  }
  Duration wait(std::uint32_t failures, base::Random&) override {
    constexpr int kSeconds[] = {0, 15, 240, 300, 600};
    return seconds(kSeconds[std::min<std::size_t>(failures, std::size(kSeconds) - 1)]);
  }

 private:
  Duration gap_ = seconds(210);
  int successes_ = 0;
  int failures_ = 0;
  bool settled_ = false;
};

/// Source: TDLib, Session.cpp (offline: pings after 60 to 65 s, dead 135 to 140 s after the last
/// byte) and ConnectionCreator.cpp (1 s, doubling, at most 300 s when offline, no jitter).
class TdLib final : public Named<TdLib> {
 public:
  static constexpr std::string_view kName = "TDLib";
  Duration gap(base::Random& random) override { return random.between(seconds(60), seconds(65)); }
  Duration patience() const override { return seconds(75); }
  Duration wait(std::uint32_t failures, base::Random&) override {
    return failures == 0 ? Duration::zero() : doubled(seconds(1), failures - 1, seconds(300));
  }
};

/// Source: libsignal, chat service (a keep-alive every 31 s, 45 s to an answer); Signal-Android,
/// BackoffUtil (doubling up to 30 s, ±25 %).
class LibSignal final : public Named<LibSignal> {
 public:
  static constexpr std::string_view kName = "libsignal";
  Duration gap(base::Random&) override { return seconds(31); }
  Duration patience() const override { return seconds(45); }
  Duration wait(std::uint32_t failures, base::Random& random) override {
    return part(doubled(seconds(1), failures, seconds(30)), 75, 125, random);
  }
};

/// Source: microG GmsCore, GcmPrefs.java (5 to 15 min; ×1.02 for an interval that was reached,
/// ×0.95 for one that was not) and McsService.java (90 s; 5 s, doubling, at most 30 min).
class MicroG final : public Named<MicroG> {
 public:
  static constexpr std::string_view kName = "microG";
  Duration gap(base::Random&) override { return gap_; }
  Duration patience() const override { return seconds(90); }
  void alive(Duration) override { set(gap_ / 100 * 102); }
  void dead(Duration) override { set(gap_ / 100 * 95); }
  Duration wait(std::uint32_t failures, base::Random&) override {
    return doubled(seconds(5), failures, minutes(30));
  }

 private:
  void set(Duration gap) { gap_ = std::clamp<Duration>(gap, minutes(5), minutes(15)); }
  Duration gap_ = minutes(5);
};

/// Source: Chromium, google_apis/gcm: heartbeat_manager.cc (28 min on cellular, 60 s to an answer)
/// and connection_factory_impl.cc (10 s, doubling, at most 15 min, −20 %).
class Fcm final : public Named<Fcm> {
 public:
  static constexpr std::string_view kName = "FCM-like 28 min";
  Duration gap(base::Random&) override { return minutes(28); }
  Duration patience() const override { return seconds(60); }
  Duration wait(std::uint32_t failures, base::Random& random) override {
    return part(doubled(seconds(10), failures, minutes(15)), 80, 100, random);
  }
};

/// Source: Eclipse Paho C, MQTTAsync: keep-alive 60 s, dead after one and a half; automatic
/// reconnect 1 s, doubling, at most 60 s, ±20 %. It knows no network events.
class Paho final : public Named<Paho> {
 public:
  static constexpr std::string_view kName = "Paho";
  Duration gap(base::Random&) override { return seconds(60); }
  Duration patience() const override { return seconds(30); }
  Duration wait(std::uint32_t failures, base::Random& random) override {
    return part(doubled(seconds(1), failures, seconds(60)), 80, 120, random);
  }
  bool waits_for_network() const override { return false; }
};

/// Source: Boost.MQTT5: keep-alive 60 s, dead after one and a half; detail/…/reconnect_op (1 s,
/// doubling, at most 16 s, ±0.5 s). It knows no network events.
class BoostMqtt5 final : public Named<BoostMqtt5> {
 public:
  static constexpr std::string_view kName = "Boost.MQTT5";
  Duration gap(base::Random&) override { return seconds(60); }
  Duration patience() const override { return seconds(30); }
  Duration wait(std::uint32_t failures, base::Random& random) override {
    return doubled(seconds(1), failures, seconds(16)) +
           random.between(-milliseconds(500), milliseconds(500));
  }
  bool waits_for_network() const override { return false; }
};

/// Source: RFC 5626 §4.4.1 (80 to 100 % of 840 s; 10 s to the pong) and §4.5 (30 s · 2^failures, at
/// most 1800 s, 50 to 100 % of it).
class Rfc5626 final : public Named<Rfc5626> {
 public:
  static constexpr std::string_view kName = "RFC 5626";
  Duration gap(base::Random& random) override { return part(seconds(840), 80, 100, random); }
  Duration patience() const override { return seconds(10); }
  Duration wait(std::uint32_t failures, base::Random& random) override {
    return part(doubled(seconds(30), failures, seconds(1'800)), 50, 100, random);
  }
};

}  // namespace

std::span<const std::unique_ptr<Rules>> baselines() {
  static const std::vector<std::unique_ptr<Rules>> kAll = [] {
    std::vector<std::unique_ptr<Rules>> all;
    all.push_back(std::make_unique<LibSignal>());
    all.push_back(std::make_unique<TdLib>());
    all.push_back(std::make_unique<Paho>());
    all.push_back(std::make_unique<BoostMqtt5>());
    all.push_back(std::make_unique<Rfc5626>());
    all.push_back(std::make_unique<Fcm>());
    all.push_back(std::make_unique<MicroG>());
    all.push_back(std::make_unique<Mars>());
    return all;
  }();
  return kAll;
}

const Rules* find_baseline(std::string_view wanted) {
  for (const auto& rules : baselines())
    if (rules->name() == wanted) return rules.get();
  return nullptr;
}

}  // namespace wakeline::sim::lean
