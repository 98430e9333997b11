// SPDX-License-Identifier: Apache-2.0
// The floor of a server that holds sleeping devices: a bare epoll loop with 16 B for a socket. It
// says yes to every CONNECT and SUBSCRIBE, answers pings, and hands a PUBLISH as it came to whoever
// subscribed to its topic; it checks nothing and keeps nothing. With a certificate and its key
// (PEM) it speaks TLS at a second port. Writes its ports to standard output.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

struct Held {
  int fd = -1;
  SSL* tls = nullptr;
};

/// Tells a door from a socket that is held.
constexpr std::uint64_t kDoor = std::uint64_t{1} << 63;

ssize_t send_to(const Held& held, const std::uint8_t* bytes, std::size_t size) {
  if (held.tls != nullptr) return SSL_write(held.tls, bytes, static_cast<int>(size));
  return ::send(held.fd, bytes, size, MSG_NOSIGNAL);
}

/// Bytes that came; 0: none yet, as a handshake is under way; -1: it is over.
ssize_t receive(const Held& held, std::vector<std::uint8_t>& block) {
  if (held.tls == nullptr) {
    const ssize_t got = ::recv(held.fd, block.data(), block.size(), 0);
    return got > 0 ? got : -1;
  }
  const int got = SSL_read(held.tls, block.data(), static_cast<int>(block.size()));
  if (got > 0) return got;
  return SSL_get_error(held.tls, got) == SSL_ERROR_WANT_READ ? 0 : -1;
}

constexpr std::uint8_t kPublish = 3;
constexpr std::uint8_t kConnack[] = {0x20, 3, 0, 0, 0};
constexpr std::uint8_t kPingresp[] = {0xD0, 0};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
/// Who subscribed, by topic.
using Subscribers = std::unordered_map<std::string, Held, Hash, std::equal_to<>>;

/// A text with its length before it.
std::string_view text_at(const std::uint8_t* bytes) {
  return {reinterpret_cast<const char*>(bytes + 2),
          static_cast<std::size_t>(bytes[0] << 8 | bytes[1])};
}

/// Sends a packet to its subscriber, and PUBACK to the publisher.
ssize_t forward(const Held& from, const std::uint8_t* packet, ssize_t header, ssize_t length,
                const Subscribers& subscribers) {
  const std::string_view topic = text_at(packet + header);
  const auto to = subscribers.find(topic);
  if (to != subscribers.end() &&
      send_to(to->second, packet, static_cast<std::size_t>(header + length)) < 0)
    return -1;
  const std::uint8_t* id = packet + header + 2 + topic.size();
  const std::uint8_t puback[] = {0x40, 2, id[0], id[1]};
  return send_to(from, puback, sizeof puback);
}

/// Answers the whole packets of a block. Returns: their bytes; -1: the connection is over.
ssize_t answer(const Held& one, const std::uint8_t* bytes, ssize_t size, Subscribers& subscribers) {
  ssize_t at = 0;
  while (at + 2 <= size) {
    ssize_t length = bytes[at + 1] & 0x7F;
    ssize_t header = 2;
    if ((bytes[at + 1] & 0x80) != 0) {
      if (at + 3 > size) break;
      length |= static_cast<ssize_t>(bytes[at + 2] & 0x7F) << 7;
      header = 3;
    }
    const std::uint8_t type = bytes[at] >> 4;
    ssize_t sent = 0;
    if (at + header + length > size) break;
    if (type == 1) {
      sent = send_to(one, kConnack, sizeof kConnack);
    } else if (type == kPublish) {
      sent = forward(one, bytes + at, header, length, subscribers);
    } else if (type == 8) {
      subscribers[std::string(text_at(bytes + at + header + 3))] = one;
      const std::uint8_t suback[] = {0x90, 4, bytes[at + header], bytes[at + header + 1], 0, 1};
      sent = send_to(one, suback, sizeof suback);
    } else if (type == 12) {
      sent = send_to(one, kPingresp, sizeof kPingresp);
    }
    if (sent < 0) return -1;
    at += header + length;
  }
  return at;
}

/// A listening socket of loopback and its port; -1: errno says why.
int open_door(unsigned& port) {
  const int door = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (door < 0 || ::bind(door, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::listen(door, SOMAXCONN) != 0 ||
      ::getsockname(door, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    return -1;
  port = ntohs(at.sin_port);
  return door;
}

/// A file to which what comes is written, and synced, before it is answered: over what stands
/// there, so that only pages are the disk's work.
class Journal {
 public:
  bool open(const char* path) {
    fd_ = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const std::vector<std::uint8_t> zeros(kSize);
    return fd_ >= 0 && ::pwrite(fd_, zeros.data(), zeros.size(), 0) == kSize && ::fsync(fd_) == 0;
  }
  /// What came together shares its sync.
  bool keep(const std::uint8_t* bytes, ssize_t size) {
    if (fd_ < 0) return true;
    if (at_ + size > kSize) at_ = 0;
    if (::pwrite(fd_, bytes, static_cast<std::size_t>(size), at_) != size) return false;
    at_ += size;
    return ::fdatasync(fd_) == 0;
  }

 private:
  static constexpr off_t kSize = 8 << 20;
  int fd_ = -1;
  off_t at_ = 0;
};

/// As a server has it that holds sleepers: no tickets, no cache, and no buffers between records.
SSL_CTX* open_tls(const char* certificate, const char* key) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
    return nullptr;
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

class Holder {
 public:
  void add_door(int fd, SSL_CTX* tls) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kDoor | doors_.size()}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    doors_.push_back({fd, tls});
  }
  bool open_journal(const char* path) { return journal_.open(path); }
  [[noreturn]] void serve() {
    std::vector<epoll_event> events(512);
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
        if ((key & kDoor) != 0)
          accept_from(doors_[key & ~kDoor]);
        else
          serve_one(held_[key]);
      }
    }
  }

 private:
  struct Door {
    int fd;
    SSL_CTX* tls;
  };

  void accept_from(const Door& door) {
    for (;;) {
      const int fd = ::accept4(door.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Held& one = held_[static_cast<std::size_t>(fd)];
      one = {.fd = fd};
      if (door.tls != nullptr) {
        one.tls = SSL_new(door.tls);
        SSL_set_fd(one.tls, fd);
        SSL_set_accept_state(one.tls);
      }
      epoll_event more{.events = EPOLLIN, .data = {.u64 = static_cast<std::uint64_t>(fd)}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &more);
    }
  }
  void serve_one(Held& one) {
    const ssize_t got = receive(one, block_);
    if (got == 0 || (got > 0 && take(one, {block_.data(), static_cast<std::size_t>(got)}))) return;
    rests_.erase(one.fd);
    SSL_free(one.tls);
    ::close(one.fd);
    one = {};
  }
  bool take(const Held& one, std::span<const std::uint8_t> bytes) {
    // Rare: a packet of which only the front fitted the block, after a long wait for the disk.
    std::vector<std::uint8_t> joined;
    if (const auto rest = rests_.find(one.fd); rest != rests_.end()) {
      joined = std::move(rest->second);
      rests_.erase(rest);
      joined.insert(joined.end(), bytes.begin(), bytes.end());
      bytes = joined;
    }
    const auto size = static_cast<ssize_t>(bytes.size());
    const bool pushes = bytes[0] >> 4 == kPublish;
    if (pushes && !journal_.keep(bytes.data(), size)) return false;
    const ssize_t answered = answer(one, bytes.data(), size, subscribers_);
    if (answered < 0) return false;
    if (answered < size) rests_[one.fd].assign(bytes.begin() + answered, bytes.end());
    return true;
  }

  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Door> doors_;
  std::vector<Held> held_ = std::vector<Held>(65'536);
  std::vector<std::uint8_t> block_ = std::vector<std::uint8_t>(16'384);
  std::unordered_map<int, std::vector<std::uint8_t>> rests_;  ///< by socket
  Subscribers subscribers_;
  Journal journal_;
};

int failed(const char* what) {
  std::perror(what);
  return 1;
}

}  // namespace

int main(int count, char** words) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2)
  Holder holder;
  unsigned plain = 0;
  unsigned tls = 0;
  const int door = open_door(plain);
  if (door < 0) return failed("bench-holder");
  holder.add_door(door, nullptr);
  if (count >= 3) {
    SSL_CTX* context = open_tls(words[1], words[2]);
    if (context == nullptr) return failed("bench-holder: the certificate and key cannot be used");
    const int other = open_door(tls);
    if (other < 0) return failed("bench-holder");
    holder.add_door(other, context);
  }
  if (count == 4 && !holder.open_journal(words[3])) return failed(words[3]);
  std::printf("%u %u\n", plain, tls);
  std::fflush(stdout);
  holder.serve();
}
