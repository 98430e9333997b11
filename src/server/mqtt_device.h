// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/mqtt_front.h"

/// Inside of the MQTT front: what it keeps for each connection and for each device.
namespace wakeline::server {

struct MqttFront::Connection : Timed {
  Connection(TimerQueue& queue, MqttFront& owner, ConnectionId number)
      : Timed(queue), front(owner), id(number) {}
  ~Connection() override = default;

  base::Instant next_deadline() const override { return connect_by; }
  void on_deadline(base::Instant) override { front.close(id); }

  MqttFront& front;
  ConnectionId id;
  std::unique_ptr<io::Stream> stream;
  base::Bytes input;         ///< the beginning of a packet; empty while idle
  Device* device = nullptr;  ///< null until it has connected
  base::Instant connect_by = base::kNever;
  wire::mqtt::Version version = wire::mqtt::Version::k5;
};

struct MqttFront::Device : Timed {
  Device(TimerQueue& queue, MqttFront& owner, store::DeviceId number, std::string its_name)
      : Timed(queue), front(owner), id(number), name(std::move(its_name)) {}
  ~Device() override = default;

  base::Instant next_deadline() const override { return session.next_deadline(); }
  void on_deadline(base::Instant now) override {
    session.on_deadline(now, front.asked_);
    front.carry_out(*this);
  }

  MqttFront& front;
  store::DeviceId id;
  std::string name;
  session::Session session;
  ConnectionId connection = 0;
};

}  // namespace wakeline::server
