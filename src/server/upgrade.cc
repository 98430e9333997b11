// SPDX-License-Identifier: Apache-2.0
#include "server/upgrade.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <list>
#include <optional>
#include <span>
#include <utility>

#include "base/log.h"
#include "io/pass_fds.h"

namespace wakeline::server {

using base::ErrorCode;

namespace {

constexpr std::string_view kPorts = "ports 1";
constexpr std::string_view kUpgrade = "upgrade 1";
constexpr std::string_view kChanged = "changed ";
constexpr std::size_t kControlMax = 128;      // bytes of a word of another process
constexpr std::size_t kMessageMax = 160'000;  // bytes; below what a socket takes in one piece
constexpr int kPatienceS = 60;
constexpr int kSendAgainMs = 2;  // when the kernel holds too many descriptors that are under way

enum class Kind : std::uint8_t {
  kLock = 'L',
  kPort = 'P',
  kDevice = 'D',
  kEnd = 'E',
  kTaken = 'T'
};

void set_patience(int fd) {
  const timeval patience{.tv_sec = kPatienceS, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/// `passed` < 0: none.
base::Result<void> send_one(int channel, base::BytesView bytes, int passed) {
  const auto fds = passed >= 0 ? std::span<const int>(&passed, 1) : std::span<const int>();
  for (int waited = 0;; waited += kSendAgainMs) {
    const int error = io::send_with_fds(channel, bytes, fds);
    if (error == 0) return {};
    const bool later = error == ETOOMANYREFS || error == ENOBUFS;
    if (error == EAGAIN || (later && waited >= kPatienceS * 1'000))
      return base::fail(ErrorCode::kTimeout, "upgrade.send");
    if (!later) return base::fail(base::os_error("upgrade.send", error));
    ::poll(nullptr, 0, kSendAgainMs);
  }
}

struct Message {
  base::Bytes bytes;
  io::UniqueFd fd;
};

base::Result<Message> receive_one(int channel) {
  Message got;
  got.bytes.resize(kMessageMax);
  auto received = io::receive_with_fds(channel, got.bytes, 1);
  if (!received && received.error().os_error == EAGAIN)
    return base::fail(ErrorCode::kTimeout, "upgrade.receive");
  if (!received) return base::fail(base::os_error("upgrade.receive", received.error().os_error));
  if (received->size == 0) return base::fail(ErrorCode::kClosed, "upgrade.receive");
  if (received->size > got.bytes.size()) return base::fail(ErrorCode::kTooLarge, "upgrade.receive");
  got.bytes.resize(received->size);
  // Where one is missing more would be: better that the process before goes on.
  if (received->fds_lost) return base::fail(base::os_error("upgrade.receive", EMFILE));
  if (!received->fds.empty()) got.fd = std::move(received->fds.front());
  return got;
}

void put_text(base::ByteWriter& writer, base::BytesView bytes) {
  writer.u32(static_cast<std::uint32_t>(bytes.size()));
  writer.put(bytes);
}

base::Bytes take_text(base::ByteReader& reader) {
  const base::BytesView view = reader.take(reader.u32());
  return {view.begin(), view.end()};
}

base::Bytes encode(const FrozenDevice& device) {
  base::Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.u8(static_cast<std::uint8_t>(Kind::kDevice));
  put_text(writer, base::as_bytes(device.name));
  writer.u64(device.id.value);
  put_text(writer, device.session);
  const DeviceLine::State& line = device.line;
  writer.u8(static_cast<std::uint8_t>((line.websocket ? 1 : 0) | (line.in_message ? 2 : 0) |
                                      (line.alias_sent ? 4 : 0)));
  for (const base::Bytes* part : {&line.frames, &line.packets, &line.unsent})
    put_text(writer, *part);
  return bytes;
}

std::optional<FrozenDevice> decode_device(base::ByteReader& reader, io::UniqueFd fd) {
  FrozenDevice device;
  device.name = std::string(base::as_text(take_text(reader)));
  device.id = store::DeviceId{reader.u64()};
  device.session = take_text(reader);
  const std::uint8_t flags = reader.u8();
  device.line.websocket = (flags & 1) != 0;
  device.line.in_message = (flags & 2) != 0;
  device.line.alias_sent = (flags & 4) != 0;
  for (base::Bytes* part : {&device.line.frames, &device.line.packets, &device.line.unsent})
    *part = take_text(reader);
  device.line.fd = std::move(fd);
  if (!reader.ok() || !reader.empty()) return std::nullopt;
  return device;
}

}  // namespace

base::Result<bool> take_message(base::BytesView bytes, io::UniqueFd fd, Inheritance& into) {
  base::ByteReader reader(bytes);
  switch (Kind{reader.u8()}) {
    case Kind::kLock:
      if (!fd) break;
      into.lock = std::move(fd);
      return false;
    case Kind::kPort: {
      const std::uint8_t kind = reader.u8();
      if (kind > static_cast<std::uint8_t>(PortKind::kOperators) || !fd) break;
      into.ports.push_back({PortKind{kind}, std::move(fd)});
      return false;
    }
    case Kind::kDevice: {
      auto device = decode_device(reader, std::move(fd));
      if (!device) break;
      into.devices.push_back(std::move(*device));
      return false;
    }
    case Kind::kEnd:
      return true;
    case Kind::kTaken:
      break;
  }
  return base::fail(ErrorCode::kMalformed, "upgrade");
}

namespace {

base::Result<io::UniqueFd> connect_control(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return base::fail(ErrorCode::kTooLarge, "control");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  io::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return base::fail(base::os_error("socket", errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return base::fail(ErrorCode::kNotFound, "control", errno);
  set_patience(fd.get());
  return fd;
}

/// Sends the word with one end of a pair. Returns: the other end.
base::Result<io::UniqueFd> ask(const std::string& path, std::string_view word) {
  auto control = connect_control(path);
  if (!control) return base::fail(control.error());
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return base::fail(base::os_error("socketpair", errno));
  io::UniqueFd ours(pair[0]);
  const io::UniqueFd theirs(pair[1]);  // closed here, so that its end is seen
  set_patience(ours.get());
  if (auto sent = send_one(control->get(), base::as_bytes(word), theirs.get()); !sent)
    return base::fail(sent.error());
  return ours;
}

base::Result<void> send_ports(int channel, const std::vector<Inheritance::Port>& ports) {
  for (const auto& port : ports) {
    const base::Bytes bytes{static_cast<std::uint8_t>(Kind::kPort),
                            static_cast<std::uint8_t>(port.kind)};
    if (auto sent = send_one(channel, bytes, port.fd.get()); !sent) return sent;
  }
  return {};
}

base::Result<void> send_end(int channel) {
  return send_one(channel, base::Bytes{static_cast<std::uint8_t>(Kind::kEnd)}, -1);
}

base::Result<void> take_next(Claimed& claimed) {
  auto message = receive_one(claimed.channel.get());
  if (!message) return base::fail(message.error());
  const auto last = take_message(message->bytes, std::move(message->fd), claimed.inheritance);
  if (!last) return base::fail(last.error());
  claimed.whole = *last;
  return {};
}

}  // namespace

base::Result<std::vector<Inheritance::Port>> ask_for_ports(const std::string& path) {
  auto channel = ask(path, kPorts);
  if (!channel) return base::fail(channel.error());
  Claimed answer{.channel = std::move(*channel), .inheritance = {}};
  while (!answer.whole) {
    if (auto taken = take_next(answer); !taken) return base::fail(taken.error());
  }
  return std::move(answer.inheritance.ports);
}

base::Result<void> show_ports(int channel, const std::vector<Inheritance::Port>& ports) {
  set_patience(channel);
  auto sent = send_ports(channel, ports);
  return sent ? send_end(channel) : sent;
}

base::Result<Claimed> claim_inheritance(const std::string& path) {
  auto channel = ask(path, kUpgrade);
  if (!channel) return base::fail(channel.error());
  Claimed claimed{.channel = std::move(*channel), .inheritance = {}};
  while (!claimed.whole && claimed.inheritance.devices.empty()) {
    if (auto taken = take_next(claimed); !taken) return base::fail(taken.error());
  }
  return claimed;
}

base::Result<std::optional<FrozenDevice>> next_device(Claimed& claimed) {
  auto& devices = claimed.inheritance.devices;
  while (!claimed.whole && devices.empty()) {
    if (auto taken = take_next(claimed); !taken) return base::fail(taken.error());
  }
  if (devices.empty()) return std::nullopt;
  std::optional<FrozenDevice> device(std::move(devices.back()));
  devices.pop_back();
  return device;
}

base::Result<void> say_taken(int channel) {
  const auto word = static_cast<std::uint8_t>(Kind::kTaken);
  return send_one(channel, base::BytesView(&word, 1), -1);
}

base::Result<void> hand_over(int channel, const Inheritance& inheritance, const FetchLine& fetch) {
  set_patience(channel);
  const auto kind = [](Kind which) { return static_cast<std::uint8_t>(which); };
  auto sent = send_one(channel, base::Bytes{kind(Kind::kLock)}, inheritance.lock.get());
  if (sent) sent = send_ports(channel, inheritance.ports);
  for (const FrozenDevice& device : inheritance.devices) {
    if (!sent) return sent;
    base::Bytes bytes = encode(device);
    io::UniqueFd fetched;
    if (device.elsewhere) {
      auto line = fetch(device);
      if (!line) return base::fail(line.error());
      fetched = std::move(*line);
    }
    int fd = device.elsewhere ? fetched.get() : device.line.fd.get();
    if (bytes.size() > kMessageMax) {  // it reads nothing: its line ends, its session goes on
      FrozenDevice without{
          .name = device.name, .id = device.id, .session = device.session, .line = {}};
      bytes = encode(without);
      fd = -1;
    }
    sent = send_one(channel, bytes, fd);
  }
  if (sent) sent = send_end(channel);
  if (!sent) return sent;
  const auto answer = receive_one(channel);
  if (!answer) return base::fail(answer.error());
  if (answer->bytes != base::Bytes{kind(Kind::kTaken)})
    return base::fail(ErrorCode::kMalformed, "upgrade");
  return {};
}

pid_t process_at(int channel) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

void tell_changed(const std::string& path, std::string_view device) {
  const auto control = connect_control(path);
  if (!control) return;
  const std::string word = std::string(kChanged) + std::string(device);
  if (const auto sent = send_one(control->get(), base::as_bytes(word), -1); !sent)
    base::log(base::LogLevel::kWarning, "server", "{}", base::to_string(sent.error()));
}

namespace {

class RealControl : public Control {
 public:
  explicit RealControl(Handlers handlers) : handlers_(std::move(handlers)) {}

  base::Result<void> listen(io::Loop& loop, const std::string& path) {
    auto listener = io::SeqpacketListener::open(
        loop, path, [this](std::unique_ptr<io::Seqpacket> peer) { welcome(std::move(peer)); });
    if (!listener) return base::fail(listener.error());
    listener_ = std::move(*listener);
    return {};
  }

 private:
  /// Few at a time: an operator's commands.
  static constexpr std::size_t kPeersMax = 16;

  void welcome(std::unique_ptr<io::Seqpacket> peer) {
    if (peers_.size() >= kPeersMax) return;
    peers_.push_back(std::move(peer));
    const auto it = std::prev(peers_.end());
    (*it)->start(
        kControlMax,
        [this](std::string_view word, std::vector<io::UniqueFd> fds) {
          if (word == kPorts && fds.size() == 1) {
            handlers_.on_ports_asked(std::move(fds.front()));
          } else if (word == kUpgrade && fds.size() == 1) {
            handlers_.on_upgrade(std::move(fds.front()));
          } else if (word.starts_with(kChanged)) {
            handlers_.on_changed(std::string(word.substr(kChanged.size())));
          }
        },
        [this, it](base::Error) { peers_.erase(it); });
  }

  Handlers handlers_;
  std::list<std::unique_ptr<io::Seqpacket>> peers_;
  std::unique_ptr<io::SeqpacketListener> listener_;
};

}  // namespace

base::Result<std::unique_ptr<Control>> Control::open(io::Loop& loop, const std::string& path,
                                                     Handlers handlers) {
  auto control = std::make_unique<RealControl>(std::move(handlers));
  if (auto listening = control->listen(loop, path); !listening)
    return base::fail(listening.error());
  return control;
}

}  // namespace wakeline::server
