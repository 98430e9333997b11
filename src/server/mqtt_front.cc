// SPDX-License-Identifier: Apache-2.0
#include "server/mqtt_front.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <latch>
#include <mutex>
#include <thread>
#include <utility>

namespace wakeline::server {

namespace {

/// More threads than that have been of no use on any machine that was measured.
constexpr unsigned kUsefulShards = 16;

/// A seccomp filter may refuse it. Errors: kPermission, kOs.
base::Result<void> try_file_table() {
  int error = 0;
  std::thread([&] { error = ::unshare(CLONE_FILES) == 0 ? 0 : errno; }).join();
  if (error == 0) return {};
  return base::fail(base::os_error("unshare: a file table for each shard", error));
}

}  // namespace

base::Result<std::unique_ptr<MqttFront>> MqttFront::create(Parts parts, base::Duration spread,
                                                           const Limits& limits) {
  auto common = std::make_shared<ShardsCommon>(limits, parts.guard);
  common->on_denied = std::move(parts.on_denied);
  common->spread_min = spread;
  common->gone_after = parts.gone_after;
  const unsigned count = limits.shards > 0
                             ? limits.shards
                             : std::clamp(std::thread::hardware_concurrency(), 1U, kUsefulShards);
  if (limits.file_tables) {
    if (auto may = try_file_table(); !may) return base::fail(may.error());
  }
  std::vector<std::unique_ptr<DeviceShard>> shards;
  for (unsigned i = 0; i < count; ++i) {
    auto shard = DeviceShard::create(parts.store, common);
    if (!shard) return base::fail(shard.error());
    shards.push_back(std::move(*shard));
  }
  return std::unique_ptr<MqttFront>(new MqttFront(std::move(common), std::move(shards)));
}

MqttFront::MqttFront(std::shared_ptr<ShardsCommon> common,
                     std::vector<std::unique_ptr<DeviceShard>> shards)
    : common_(std::move(common)), shards_(std::move(shards)) {}

MqttFront::~MqttFront() {
  stop();
  // All of them first: a shard may still post to another.
  for (const auto& shard : shards_) shard->join();
}

void MqttFront::start_threads() {
  if (std::exchange(started_, true)) return;
  std::vector<DeviceShard*> all;
  for (const auto& shard : shards_) all.push_back(shard.get());
  for (const auto& shard : shards_) shard->start(all);
}

base::Result<void> MqttFront::take_over(const NextDevice& next) {
  start_threads();
  for (;;) {
    auto device = next();
    if (device && !*device) return {};
    const auto taken = device ? shard_of((*device)->name).take_over(std::move(**device))
                              : base::Result<void>(base::fail(device.error()));
    if (taken) continue;
    freeze([](const std::vector<FrozenDevice>&) {});  // they are still another process's
    return base::fail(taken.error());
  }
}

void MqttFront::start(const std::vector<DevicePort>& ports) {
  start_threads();
  const auto ready = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(shards_.size()));
  for (const auto& shard : shards_) shard->open(ports, [ready] { ready->count_down(); });
  ready->wait();
}

void MqttFront::set_tls(const std::shared_ptr<io::TlsContext>& tls) {
  for (const auto& shard : shards_) shard->set_tls(tls);
}

void MqttFront::forget_store() {
  for (const auto& shard : shards_) shard->forget_store();
}

void MqttFront::send_lines() {
  for (const auto& shard : shards_) shard->send_lines();
}

base::Result<io::UniqueFd> MqttFront::fetch_line(const FrozenDevice& device) {
  return shard_of(device.name).fetch_line();
}

void MqttFront::pause(std::function<void()> done) {
  auto left = std::make_shared<std::atomic<std::size_t>>(shards_.size());
  for (const auto& shard : shards_) {
    shard->pause([left, done] {
      if (--*left == 0) done();
    });
  }
}

void MqttFront::freeze(std::function<void(std::vector<FrozenDevice>)> done) {
  struct All {
    std::mutex mutex;
    std::vector<FrozenDevice> devices;
    std::size_t left;
  };
  auto all = std::make_shared<All>();
  all->left = shards_.size();
  for (const auto& shard : shards_) {
    shard->freeze([all, done](std::vector<FrozenDevice> devices) {
      const std::scoped_lock lock(all->mutex);
      std::ranges::move(devices, std::back_inserter(all->devices));
      if (--all->left == 0) done(std::move(all->devices));
    });
  }
}

void MqttFront::stop() {
  for (const auto& shard : shards_) shard->stop();
}

DeviceShard& MqttFront::shard_of(std::string_view device) const {
  return *shards_[DeviceShard::shard_of(device, shards_.size())];
}

bool MqttFront::receives(std::string_view device) const {
  return shard_of(device).receives(device);
}

bool MqttFront::gone(std::string_view device) const { return shard_of(device).gone(device); }

MqttFront::Announce MqttFront::announcer() const {
  std::vector<DeviceShard::Announce> all;
  for (const auto& shard : shards_) all.push_back(shard->announcer());
  return [all = std::move(all)](std::string_view device, StoredPush push, bool at_once) {
    all[DeviceShard::shard_of(device, all.size())](std::string(device), std::move(push), at_once);
  };
}

void MqttFront::look_again(std::string_view device) {
  shard_of(device).look_again(std::string(device));
}

}  // namespace wakeline::server
