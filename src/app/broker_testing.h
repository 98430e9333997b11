// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/engine.h"
#include "base/check.h"
#include "io/stream.h"
#include "wire/mqtt.h"

/// An MQTT 5 server for one device at a time, on a thread of its own, that does as it is told.
namespace wakeline::app::test {

namespace mqtt = wire::mqtt;

class TestBroker {
 public:
  explicit TestBroker(std::shared_ptr<io::TlsContext> tls = nullptr)
      : tls_(std::move(tls)), engine_(*Engine::start()) {
    engine_->call([this] {
      auto opened =
          io::Listener::open(engine_->loop(), "127.0.0.1", 0,
                             [this](io::UniqueFd socket) { on_accepted(std::move(socket)); });
      WL_CHECK(opened.has_value());
      listener_ = std::move(*opened);
      port_ = listener_->port();
    });
  }
  TestBroker(const TestBroker&) = delete;
  TestBroker& operator=(const TestBroker&) = delete;
  ~TestBroker() {
    engine_->call([this] {
      device_.reset();
      listener_.reset();
    });
    engine_->stop();
  }

  std::uint16_t port() const { return port_; }
  /// The answer to CONNECT from now on.
  void greet_with(mqtt::Reason reason) {
    engine_->call([&] { greeting_ = reason; });
  }
  /// The answer to a PUBLISH from now on.
  void answer_publish_with(mqtt::Reason reason) {
    engine_->call([&] { verdict_ = reason; });
  }
  /// What the device has published.
  std::vector<mqtt::Publish> published() const {
    const std::lock_guard lock(mutex_);
    return published_;
  }
  /// The lowest urgency that the last CONNECT or SUBSCRIBE asked for; empty: none.
  std::string asked_urgency() const {
    const std::lock_guard lock(mutex_);
    return urgency_;
  }
  void send(const mqtt::Packet& packet) {
    engine_->call([&] {
      base::Bytes bytes;
      WL_CHECK(device_ != nullptr && mqtt::encode(packet, mqtt::Version::k5, bytes));
      device_->write(std::move(bytes));
    });
  }
  void push(std::uint64_t sequence, std::uint16_t packet_id, const std::string& title) {
    mqtt::Publish publish;
    publish.topic = "wakeline/inbox/door";
    const std::string content = R"({"title":")" + title + R"(","data":"7"})";
    publish.payload.assign(content.begin(), content.end());
    publish.qos = mqtt::Qos::kAtLeastOnce;
    publish.packet_id = packet_id;
    publish.properties.user = {{"seq", std::to_string(sequence)}, {"urgency", "high"}};
    send(publish);
  }
  /// Resets the connection.
  void drop() {
    engine_->call([this] { device_.reset(); });
  }

  /// Waits for `count` packets since the last call and gives their first words: "CONNECT",
  /// "PUBACK".
  std::vector<std::string> take(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(10), [&] { return heard_.size() >= count; }));
    return std::exchange(heard_, {});
  }
  std::size_t heard() const {
    const std::lock_guard lock(mutex_);
    return heard_.size();
  }

 private:
  void on_accepted(io::UniqueFd socket) {
    input_.clear();
    device_ = io::accept_stream(engine_->loop(), std::move(socket), tls_);
    device_->start([this](base::BytesView bytes) { on_bytes(bytes); },
                   [this](base::Error) { device_.reset(); });
  }

  void on_bytes(base::BytesView bytes) {
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    while (device_ != nullptr) {
      const auto decoded = mqtt::decode(input_, mqtt::Version::k5);
      WL_CHECK(decoded.has_value());
      if (decoded->consumed == 0) return;
      input_.erase(input_.begin(), input_.begin() + static_cast<long>(decoded->consumed));
      on_packet(decoded->packet);
    }
  }

  void on_packet(const mqtt::Packet& packet) {
    const std::string line = mqtt::to_line(packet);
    {
      // All that a test may ask about a packet is there when the test hears of it.
      const std::lock_guard lock(mutex_);
      note(packet);
      heard_.push_back(line.substr(0, line.find(' ')));
    }
    changed_.notify_all();
    base::Bytes out;
    if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) {
      mqtt::Suback granted;
      granted.packet_id = subscribe->packet_id;
      granted.reasons.assign(subscribe->topics.size(), mqtt::Reason::kGrantedQos1);
      WL_CHECK(mqtt::encode(granted, mqtt::Version::k5, out));
    } else if (std::holds_alternative<mqtt::Connect>(packet)) {
      mqtt::Connack connack;
      connack.reason = greeting_;
      connack.session_present = greeting_ == mqtt::Reason::kSuccess;
      if (connack.session_present) connack.properties.user = {{"epoch", "e1"}};
      WL_CHECK(mqtt::encode(connack, mqtt::Version::k5, out));
    } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      WL_CHECK(mqtt::encode(mqtt::Ack{.packet_id = publish->packet_id, .reason = verdict_},
                            mqtt::Version::k5, out));
    } else if (std::holds_alternative<mqtt::Pingreq>(packet)) {
      WL_CHECK(mqtt::encode(mqtt::Pingresp{}, mqtt::Version::k5, out));
    }
    device_->write(std::move(out));
    if (greeting_ != mqtt::Reason::kSuccess) {
      device_->close();
      device_.reset();
    }
  }

  void note(const mqtt::Packet& packet) {
    const auto urgency = [](const mqtt::Properties& properties) {
      return properties.user_value("urgency").value_or("");
    };
    if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet))
      urgency_ = urgency(subscribe->properties);
    else if (const auto* connect = std::get_if<mqtt::Connect>(&packet))
      urgency_ = urgency(connect->properties);
    else if (const auto* publish = std::get_if<mqtt::Publish>(&packet))
      published_.push_back(*publish);
  }

  std::shared_ptr<io::TlsContext> tls_;
  std::unique_ptr<Engine> engine_;
  std::uint16_t port_ = 0;
  // On the engine's thread.
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::Stream> device_;
  base::Bytes input_;
  mqtt::Reason greeting_ = mqtt::Reason::kSuccess;
  mqtt::Reason verdict_ = mqtt::Reason::kSuccess;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> heard_;        // under mutex_
  std::string urgency_;                   // under mutex_
  std::vector<mqtt::Publish> published_;  // under mutex_
};

}  // namespace wakeline::app::test
