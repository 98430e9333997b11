// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "io/clock.h"
#include "wire/push.h"

namespace wakeline::bench {

namespace mqtt = wire::mqtt;
using cli::Outcome;

namespace {

/// Local ports of one address; a fleet takes as many addresses of loopback as it needs.
constexpr std::size_t kPortsOfOneAddress = 8'000;
constexpr base::Duration kPatience = std::chrono::seconds(30);

std::unexpected<std::string> failed(const char* what, int error) {
  return std::unexpected(base::to_string(base::os_error(what, error)));
}

}  // namespace

Outcome<std::unique_ptr<Fleet>> Fleet::make(FleetTarget target) {
  auto poller = io::Poller::create();
  if (!poller) return std::unexpected(base::to_string(poller.error()));
  return std::unique_ptr<Fleet>(new Fleet(std::move(target), std::move(*poller)));
}

Outcome<void> Fleet::open(std::size_t i) {
  Member& member = members_[i];
  member = Member{};
  member.fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!member.fd) return failed("socket", errno);
  const int on = 1;
  ::setsockopt(member.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(member.fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(
      INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>((target_.first + i) / kPortsOfOneAddress));
  if (::bind(member.fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0)
    return failed("bind", errno);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(target_.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(member.fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
      errno != EINPROGRESS)
    return failed("connect", errno);
  if (const auto added = poller_->add(member.fd.get(), EPOLLIN | EPOLLOUT, i); !added)
    return std::unexpected(base::to_string(added.error()));
  return {};
}

void Fleet::lose(std::size_t i, const char* why) {
  Member& member = members_[i];
  if (member.phase == Phase::kGone) return;
  if (member.phase == Phase::kReady) --ready_;
  member.phase = Phase::kGone;
  member.transport.reset();
  member.fd.reset();
  why_ = why;
  if (!random_) {
    ++lost_;
    return;
  }
  const base::Duration within = member.within > base::Duration::zero() ? member.within : unknown_;
  returns_.longest = std::max({returns_.longest, member.within, member.no_sooner});
  // A slot is met at about its time (link.md §2); all else within its window.
  const base::Duration wait =
      member.no_sooner > base::Duration::zero()
          ? member.no_sooner + random_->between(base::Duration::zero(),
                                                base::Duration(std::chrono::milliseconds(500)))
          : random_->between(base::Duration::zero(), within);
  back_at_.emplace(io::now() + wait, i);
}

void Fleet::come_back(base::Duration unknown, std::uint64_t seed) {
  unknown_ = unknown;
  random_.emplace(seed);
}

void Fleet::hear(Member& member, const mqtt::Properties& properties) {
  const auto ms = [&](std::string_view name) {
    const std::string_view text = properties.user_value(name).value_or("");
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return std::chrono::milliseconds(value);
  };
  if (const auto spread = ms(wire::property::kSpread); spread.count() > 0) member.within = spread;
  if (const auto drain = ms(wire::property::kDrain); drain.count() > 0) {
    member.within = drain;
    ++returns_.told_drain;
  }
  if (const auto after = ms(wire::property::kRetryAfter); after.count() > 0) {
    member.no_sooner = after;
    ++returns_.told_busy;
  }
}

Outcome<void> Fleet::bring_back() {
  while (!back_at_.empty() && back_at_.begin()->first <= io::now()) {
    const std::size_t i = back_at_.begin()->second;
    back_at_.erase(back_at_.begin());
    const base::Duration within = members_[i].within;
    ++returns_.attempts;
    if (auto opened = open(i); !opened) return opened;
    members_[i].within = within;
  }
  return {};
}

void Fleet::on_event(std::size_t i) {
  Member& member = members_[i];
  if (member.phase == Phase::kGone) return;
  if (member.phase == Phase::kConnecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(member.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return lose(i, "connect");
    if (target_.tls) {
      auto transport =
          io::Transport::tls_client(member.fd.get(), target_.tls->native(), "localhost");
      if (!transport) return lose(i, "tls");
      member.transport.emplace(std::move(*transport));
      member.phase = Phase::kShaking;
    } else {
      member.transport.emplace(io::Transport::plain(member.fd.get()));
      member.phase = Phase::kGreeting;
    }
  }
  if (member.phase == Phase::kShaking) {
    const auto step = member.transport->handshake().step;
    if (step == io::Step::kWantRead) return poller_->change(member.fd.get(), EPOLLIN, i);
    if (step == io::Step::kWantWrite) return;
    if (step != io::Step::kDone) return lose(i, "tls handshake");
    member.phase = Phase::kGreeting;
  }
  if (member.phase == Phase::kGreeting && member.in.empty() && member.out.empty()) {
    member.phase = Phase::kSubscribing;  // greets once
    const std::string name = target_.prefix + std::to_string(target_.first + i);
    if (target_.greeting) {
      const std::string text = target_.greeting(name);
      member.out.assign(text.begin(), text.end());
      flush(i);
      if (members_[i].phase != Phase::kGone) poller_->change(member.fd.get(), EPOLLIN, i);
      return;
    }
    mqtt::Connect connect{.version = target_.version,
                          .clean_start = !random_,
                          .keep_alive_s = 3'000,
                          .client_id = name,
                          .user_name = name,
                          .password = base::Bytes(target_.token.begin(), target_.token.end())};
    if (target_.version == mqtt::Version::k5) connect.properties.session_expiry_s = 3'600;
    send(i, connect);
    if (members_[i].phase == Phase::kGone) return;
    poller_->change(member.fd.get(), EPOLLIN, i);
    return;
  }
  if (!member.out.empty()) flush(i);
  if (members_[i].phase != Phase::kGone) read(i);
}

void Fleet::read(std::size_t i) {
  std::array<std::uint8_t, 16'384> block;
  Member& member = members_[i];
  for (;;) {
    const auto result = member.transport->read(block);
    if (result.step == io::Step::kWantRead || result.step == io::Step::kWantWrite) return;
    if (result.step != io::Step::kDone) return lose(i, "closed by the server");
    if (target_.greeting) {
      if (std::exchange(member.phase, Phase::kReady) != Phase::kReady) ++ready_;
      if (result.bytes < block.size() && !target_.tls) return;
      continue;
    }
    member.in.insert(member.in.end(), block.begin(),
                     block.begin() + static_cast<std::ptrdiff_t>(result.bytes));
    std::size_t used = 0;
    for (;;) {
      const auto decoded = mqtt::decode(base::BytesView(member.in).subspan(used), target_.version);
      if (!decoded) return lose(i, "no MQTT");
      if (decoded->consumed == 0) break;
      used += decoded->consumed;
      on_packet(i, decoded->packet);
      if (member.phase == Phase::kGone) return;
    }
    member.in.erase(member.in.begin(), member.in.begin() + static_cast<std::ptrdiff_t>(used));
    if (member.in.empty()) member.in = {};
    if (result.bytes < block.size() && !target_.tls) return;
  }
}

void Fleet::on_packet(std::size_t i, const mqtt::Packet& packet) {
  Member& member = members_[i];
  if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
    hear(member, connack->properties);
    if (connack->reason != mqtt::Reason::kSuccess) return lose(i, "refused");
    const std::string name = target_.prefix + std::to_string(target_.first + i);
    send(i, mqtt::Subscribe{
                .packet_id = 1,
                .topics = {{.filter = wire::inbox_topic(name), .qos = mqtt::Qos::kAtLeastOnce}}});
  } else if (std::holds_alternative<mqtt::Suback>(packet)) {
    member.phase = Phase::kReady;
    ++ready_;
  } else if (std::holds_alternative<mqtt::Pingresp>(packet)) {
    ++pongs_;
  } else if (std::holds_alternative<mqtt::Ack>(packet)) {
    ++acknowledged_;
  } else if (const auto* last = std::get_if<mqtt::Disconnect>(&packet)) {
    hear(member, last->properties);
  } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
    if (on_push_ != nullptr && *on_push_) (*on_push_)(i, publish->payload);
    if (publish->qos == mqtt::Qos::kAtLeastOnce)
      send(i, mqtt::Ack{.packet_id = publish->packet_id});
  }
}

void Fleet::send(std::size_t i, const mqtt::Packet& packet) {
  Member& member = members_[i];
  if (!mqtt::encode(packet, target_.version, member.out)) return lose(i, "encode");
  flush(i);
}

void Fleet::flush(std::size_t i) {
  Member& member = members_[i];
  std::size_t sent = 0;
  while (sent < member.out.size()) {
    const auto result = member.transport->write(base::BytesView(member.out).subspan(sent));
    if (result.step == io::Step::kWantWrite || result.step == io::Step::kWantRead) {
      member.out.erase(member.out.begin(), member.out.begin() + static_cast<std::ptrdiff_t>(sent));
      return poller_->change(member.fd.get(), EPOLLIN | EPOLLOUT, i);
    }
    if (result.step != io::Step::kDone) return lose(i, "write");
    sent += result.bytes;
  }
  member.out = {};
}

Outcome<void> Fleet::turn(base::Duration patience) {
  if (auto back = bring_back(); !back) return back;
  base::Instant until = io::now() + patience;
  if (!back_at_.empty()) until = std::min(until, back_at_.begin()->first);
  for (const epoll_event& event : poller_->wait(until)) {
    const auto i = static_cast<std::size_t>(event.data.u64);
    on_event(i);
    Member& member = members_[i];
    // Once connected, readiness to write is of interest only while something waits.
    if (member.phase == Phase::kReady && member.out.empty() && (event.events & EPOLLOUT) != 0)
      poller_->change(member.fd.get(), EPOLLIN, i);
  }
  return {};
}

Outcome<double> Fleet::grow(std::size_t count, std::size_t in_flight) {
  const base::Instant start = io::now();
  base::Instant last_step = io::now();
  std::size_t last_ready = ready_;
  while (ready_ < count) {
    while (members_.size() < count && members_.size() - ready_ - lost_ < in_flight) {
      members_.emplace_back();
      if (auto opened = open(members_.size() - 1); !opened) return std::unexpected(opened.error());
    }
    if (auto turned = turn(std::chrono::milliseconds(100)); !turned)
      return std::unexpected(turned.error());
    if (lost_ > 0) return std::unexpected(fmt::format("{} connections were lost: {}", lost_, why_));
    if (ready_ != std::exchange(last_ready, ready_)) last_step = io::now();
    if (io::now() - last_step > kPatience)
      return std::unexpected(fmt::format("only {} of {} devices got in", ready_, count));
  }
  return std::chrono::duration<double>(io::now() - start).count();
}

Outcome<double> Fleet::storm(std::size_t in_flight) {
  const std::size_t count = members_.size();
  members_.clear();
  ready_ = lost_ = 0;
  const base::Instant start = io::now();
  std::deque<std::size_t> waiting;
  for (std::size_t i = 0; i < count; ++i) {
    members_.emplace_back();
    members_.back().phase = Phase::kGone;
    waiting.push_back(i);
  }
  std::size_t open_now = 0;
  std::size_t lost_before = 0;
  while (ready_ < count) {
    for (; !waiting.empty() && open_now - ready_ < in_flight; ++open_now) {
      if (auto opened = open(waiting.front()); !opened) return std::unexpected(opened.error());
      waiting.pop_front();
    }
    if (auto turned = turn(std::chrono::milliseconds(50)); !turned)
      return std::unexpected(turned.error());
    if (lost_ > lost_before) {  // refused or closed: they try again
      for (std::size_t i = 0; i < count; ++i) {
        if (members_[i].phase == Phase::kGone && std::ranges::find(waiting, i) == waiting.end())
          waiting.push_back(i);
      }
      open_now -= lost_ - lost_before;
      lost_before = lost_;
    }
    if (io::now() - start > std::chrono::minutes(2))
      return std::unexpected(fmt::format("only {} of {} came back in two minutes", ready_, count));
  }
  return std::chrono::duration<double>(io::now() - start).count();
}

Outcome<void> Fleet::ping(std::size_t count) {
  pongs_ = 0;
  std::size_t sent = 0;
  constexpr std::size_t kWindow = 256;
  while (pongs_ < count) {
    for (; sent < count && sent - pongs_ < kWindow; ++sent)
      send(sent % members_.size(), mqtt::Pingreq{});
    if (auto turned = turn(std::chrono::seconds(1)); !turned) return turned;
    if (lost_ > 0) return std::unexpected("a connection was lost: " + why_);
  }
  return {};
}

Outcome<void> Fleet::serve(const OnPush& on_push, const std::function<bool()>& done) {
  on_push_ = &on_push;
  while (!done()) {
    if (auto turned = turn(std::chrono::milliseconds(1)); !turned) return turned;
    if (lost_ > 0) return std::unexpected("a connection was lost: " + why_);
  }
  on_push_ = nullptr;
  return {};
}

Outcome<void> Fleet::publish(std::size_t device, base::BytesView payload) {
  if (++next_id_ == 0) ++next_id_;
  // The first device sends for all: what it publishes goes to others' inboxes.
  send(0, mqtt::Publish{.topic = wire::inbox_topic(target_.prefix + std::to_string(device)),
                        .payload = base::Bytes(payload.begin(), payload.end()),
                        .qos = mqtt::Qos::kAtLeastOnce,
                        .packet_id = next_id_});
  return {};
}

}  // namespace wakeline::bench
