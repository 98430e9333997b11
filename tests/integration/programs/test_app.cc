// SPDX-License-Identifier: Apache-2.0
// An app for the host's tests that speaks the protocol of host_message.h by itself, without the
// library. Its manifest gives it WAKELINE_TEST_PORT: it connects there twice, first the line on
// which it reports ("report"), then the line that it tags ("line"). Each text line that it reads on
// either is a command, answered on the same connection or reported.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "ring.h"
#include "wire/host_message.h"

namespace {

namespace msg = wakeline::wire::host;

int connect_tcp(const char* from = nullptr) {
  const char* port = std::getenv("WAKELINE_TEST_PORT");
  if (port == nullptr) return -1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // Where one is named, the connection goes out from that address of this machine.
  if (from != nullptr) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = inet_addr(from);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) std::perror("bind");
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

int connect_local(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return fd;
}

int connect_host() {
  const char* path = std::getenv("WAKELINE_HOST");
  if (path == nullptr) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/// Text lines of one TCP connection.
struct Line {
  int fd = -1;
  std::string buffer;
  bool reading = true;  ///< false: bytes are left unread

  void write_line(const std::string& text) const {
    const std::string out = text + "\n";
    if (fd >= 0 && send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0) std::perror("send");
  }
};

class App {
 public:
  int run() {
    report_.fd = connect_tcp();
    if (report_.fd < 0) return 3;
    report_.write_line("report " + std::to_string(getpid()));
    connect_to_host();
    open_line();
    for (;;) loop_once();
  }

 private:
  void connect_to_host() {
    host_ = connect_host();
    if (host_ < 0) return;
    send_host(msg::Hello{++request_, msg::kProtocolVersion, "app"});
  }

  void open_line() {
    line_.fd = connect_tcp(std::getenv("WAKELINE_TEST_FROM"));
    line_.reading = true;
    line_.buffer.clear();
    if (line_.fd < 0) {
      report_.write_line("no line");
      return;
    }
    line_.write_line("line " + std::to_string(getpid()));
  }

  void loop_once() {
    // Without a host it looks for one now and then, as the library does.
    std::array<pollfd, 5> polls = {
        pollfd{report_.fd, POLLIN, 0}, pollfd{line_.reading ? line_.fd : -1, POLLIN, 0},
        pollfd{host_, POLLIN, 0}, pollfd{udp_, POLLIN, 0}, pollfd{local_, POLLIN, 0}};
    const int ready = poll(polls.data(), polls.size(), host_ < 0 ? 20 : -1);
    if (ready < 0 && errno != EINTR) std::exit(4);
    if (host_ < 0) connect_to_host();
    if (ready <= 0) return;
    if (polls[4].revents != 0) on_local_readable();
    if (polls[2].revents != 0) on_host_readable();
    if (polls[3].revents != 0) on_datagram();
    if (polls[1].revents != 0) on_readable(line_);
    if (polls[0].revents != 0) on_readable(report_);
  }

  /// A display's or a bus's socket: all of it is read, and how much has come so far is told.
  void on_local_readable() {
    std::array<char, 65'536> bytes;
    const auto size = recv(local_, bytes.data(), bytes.size(), 0);
    if (size <= 0) {
      close(local_);
      local_ = -1;
      report_.write_line("local ended");
      return;
    }
    local_bytes_ += size;
    report_.write_line("local " + std::to_string(local_bytes_));
  }

  void on_readable(Line& line) {
    std::array<char, 4096> bytes;
    const auto size = recv(line.fd, bytes.data(), bytes.size(), 0);
    if (size <= 0) {
      if (&line == &report_) std::exit(0);  // the test is over
      report_.write_line(size == 0 ? "line ended" : "line error");
      close(line.fd);
      line.fd = -1;
      return;
    }
    line.buffer.append(bytes.data(), static_cast<std::size_t>(size));
    for (std::size_t end; (end = line.buffer.find('\n')) != std::string::npos;) {
      const std::string text = line.buffer.substr(0, end);
      line.buffer.erase(0, end + 1);
      on_command(line, text);
      if (line.fd < 0) return;
    }
  }

  void on_command(Line& from, const std::string& text) {
    std::istringstream words(text);
    std::string word;
    words >> word;
    if (word == "ping") {
      std::string rest;
      words >> rest;
      from.write_line("pong " + rest);
    } else if (word == "hold") {
      line_.reading = false;
      from.write_line("holding");
    } else if (word == "read") {
      line_.reading = true;
    } else if (word == "close") {
      close(line_.fd);
      line_.fd = -1;
    } else if (word == "open") {
      open_line();
      tag(line_.fd, line_.fd);
    } else if (word == "ring") {
      report_.write_line("ring");
      read_by_ring();
    } else if (word == "stubborn") {
      std::signal(SIGTERM, SIG_IGN);
      report_.write_line("stubborn");
    } else if (word == "exit") {
      int code = 0;
      words >> code;
      _exit(code);
    } else if (word == "crash") {
      std::abort();
    } else if (word == "spin") {
      for (;;) clock();
    } else if (word == "tag") {
      std::string kind;
      words >> kind;
      tag_kind(kind);
    } else if (word == "untag") {
      std::uint64_t id = 0;
      words >> id;
      send_host(msg::Untag{++request_, id});
    } else if (word == "query") {
      std::uint64_t id = 0;
      words >> id;
      send_host(msg::QueryTag{++request_, id});
    } else if (word == "task") {
      send_host(msg::BeginTask{++request_, "test"});
    } else if (word == "endtask") {
      std::uint64_t id = 0;
      words >> id;
      send_host(msg::EndTask{++request_, id});
    } else if (word == "keepalive") {
      std::uint32_t seconds = 0;
      words >> seconds;
      send_host(msg::SetKeepAlive{++request_, seconds});
    } else if (word == "overrun") {
      overrun_ = true;
      report_.write_line("overrun");
    } else if (word == "mend") {
      mend_ = true;
      report_.write_line("mend");
    } else if (word == "udp") {
      open_udp();
    } else if (word == "notify") {
      msg::Notify notify;
      notify.request = ++request_;
      words >> notify.notification.title;
      notify.notification.payload = "payload of " + notify.notification.title;
      notify.notification.actions = {{"answer", "Answer"}};
      send_host(notify);
    } else if (word == "sound") {
      msg::Notify notify;
      notify.request = ++request_;
      notify.notification.title = "Sound";
      words >> notify.notification.sound;
      send_host(notify);
    } else if (word == "local") {
      std::string path;
      words >> path;
      local_ = connect_local(path);
      report_.write_line(local_ < 0 ? "no local" : "local");
    } else if (word == "raw") {
      const std::string raw = text.substr(text.find(' ') + 1);
      send(host_, raw.data(), raw.size(), MSG_NOSIGNAL);
    } else if (word == "flood") {
      int count = 0;
      words >> count;
      flood(count);
    } else if (word == "garbage") {
      for (int i = 0; i < 20; ++i) {
        const std::string half = R"({"v":1,"type":"tag","requ)";
        if (send(host_, half.data(), half.size(), MSG_NOSIGNAL) < 0) break;
      }
    } else if (word == "descriptors") {
      std::size_t count = 0;
      words >> count;
      send_descriptors(count);
    } else if (word == "tags") {
      int count = 0;
      words >> count;
      tag_many(count);
    } else if (word == "connections") {
      int count = 0;
      words >> count;
      connect_often(count);
    } else if (word == "bomb") {
      int count = 0;
      words >> count;
      bomb(count);
    } else if (word == "undumpable") {
      prctl(PR_SET_DUMPABLE, 0);
      from.write_line("undumpable");
    } else if (word == "dumpable") {
      prctl(PR_SET_DUMPABLE, 1);
      from.write_line("dumpable");
    } else {
      report_.write_line("unknown command: " + text);
    }
  }

  // What no good app does.

  /// From a process of its own, so that this one still reads: tasks, of which it may have 64.
  void flood(int count) {
    report_.write_line("flooding");
    quiet_ = true;
    const pid_t pid = fork();
    if (pid != 0) return;
    for (int i = 0; i < count; ++i) send_host(msg::BeginTask{1, "flood"});
    _exit(0);
  }

  void send_descriptors(std::size_t count) const {
    int ends[2];
    if (pipe(ends) != 0) std::exit(8);
    std::vector<int> fds(count, ends[0]);
    fds.back() = host_;
    const std::string text = *msg::encode(msg::Tag{99, line_.fd});
    iovec part{const_cast<char*>(text.data()), text.size()};
    std::vector<char> space(CMSG_SPACE(sizeof(int) * count));
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = space.data();
    header.msg_controllen = space.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * count);
    report_.write_line(sendmsg(host_, &header, MSG_NOSIGNAL) < 0 ? "not sent" : "sent");
    close(ends[0]);
    close(ends[1]);
  }

  /// The next answer of the host, read at once.
  std::optional<msg::Reply> next_reply() const {
    for (;;) {
      std::array<char, msg::kMessageMax> bytes;
      const auto size = recv(host_, bytes.data(), bytes.size(), 0);
      if (size <= 0) return std::nullopt;
      const auto message = msg::decode({bytes.data(), static_cast<std::size_t>(size)});
      if (!message) return std::nullopt;
      if (const auto* reply = std::get_if<msg::Reply>(&*message)) return *reply;
    }
  }

  void tag_many(int count) {
    int tagged = 0;
    int refused = 0;
    std::string error;
    for (int i = 0; i < count; ++i) {
      const int fd = connect_tcp();
      if (fd < 0) break;
      tag(fd, fd);
      const auto reply = next_reply();
      if (!reply) break;
      const bool good = reply->error == wakeline::base::ErrorCode::kOk;
      ++(good ? tagged : refused);
      if (!good) error = wakeline::base::name(reply->error);
    }
    report_.write_line("tagged " + std::to_string(tagged) + " refused " + std::to_string(refused) +
                       " " + error);
  }

  /// Keeps all that the host keeps, and says how many these are.
  void connect_often(int count) {
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const int fd = connect_host();
      if (fd < 0) continue;
      const std::string hello = *msg::encode(msg::Hello{1, msg::kProtocolVersion, "control"});
      char byte = 0;
      const bool said = send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) > 0;
      if (said && recv(fd, &byte, 1, 0) > 0) {
        ++kept;
      } else {
        close(fd);
      }
    }
    report_.write_line("connections " + std::to_string(kept));
  }

  /// `count` processes that each end and start another one; for ten seconds, should nobody end
  /// them.
  void bomb(int count) {
    std::signal(SIGCHLD, SIG_IGN);
    report_.write_line("bomb");
    const std::time_t end = std::time(nullptr) + 10;
    for (int i = 0; i < count; ++i) {
      if (fork() != 0) continue;
      while (std::time(nullptr) < end) {
        if (fork() > 0) break;
      }
      _exit(0);
    }
  }

  /// A UDP socket, tagged: profile linux allows it (C4).
  void open_udp() {
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    const char* from = std::getenv("WAKELINE_TEST_FROM");
    address.sin_addr.s_addr = from == nullptr ? htonl(INADDR_LOOPBACK) : inet_addr(from);
    socklen_t size = sizeof address;
    if (bind(udp_, reinterpret_cast<const sockaddr*>(&address), size) != 0) std::exit(7);
    getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &size);
    report_.write_line("udp " + std::to_string(ntohs(address.sin_port)));
    tag(udp_, udp_);
  }
  void on_datagram() const {
    std::array<char, 512> bytes;
    const auto size = recv(udp_, bytes.data(), bytes.size(), 0);
    const std::string text =
        size < 0 ? "error" : std::string(bytes.data(), static_cast<std::size_t>(size));
    report_.write_line("datagram " + text);
  }

  /// From now on the line alone is read, and by completions.
  void read_by_ring() {
    Ring ring;
    std::array<char, 4096> bytes;
    for (;;) {
      const int size = ring.receive(line_.fd, bytes.data(), bytes.size());
      if (size <= 0) std::exit(6);
      line_.buffer.append(bytes.data(), static_cast<std::size_t>(size));
      for (std::size_t end; (end = line_.buffer.find('\n')) != std::string::npos;) {
        const std::string text = line_.buffer.substr(0, end);
        line_.buffer.erase(0, end + 1);
        on_command(line_, text);
      }
    }
  }

  /// The refusals of C4, each with an fd of that kind.
  void tag_kind(const std::string& kind) {
    if (kind == "line") {
      tag(line_.fd, line_.fd);
      return;
    }
    if (kind == "none") {
      send_host(msg::Tag{++request_, line_.fd});
      return;
    }
    if (kind == "other") {
      // The number names another socket than the one that rides along.
      tag(report_.fd, line_.fd);
      return;
    }
    int fd = -1;
    if (kind == "udp") fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (kind == "unconnected") fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (kind == "file") fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (kind == "listener") {
      fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      listen(fd, 1);
    }
    tag(fd, fd);
    close(fd);
  }

  void tag(int passed, int named) { send_host(msg::Tag{++request_, named}, passed); }

  void send_host(const msg::Message& message, int passed = -1) {
    const auto text = msg::encode(message);
    if (!text || host_ < 0) {
      report_.write_line("cannot send");
      return;
    }
    iovec part{const_cast<char*>(text->data()), text->size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (passed >= 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &passed, sizeof(int));
    }
    if (sendmsg(host_, &header, MSG_NOSIGNAL) < 0) report_.write_line("cannot send");
  }

  void on_host_readable() {
    std::array<char, msg::kMessageMax> bytes;
    const auto size = recv(host_, bytes.data(), bytes.size(), 0);
    if (size <= 0) {
      report_.write_line("host gone");
      close(host_);
      host_ = -1;
      return;
    }
    const auto message = msg::decode({bytes.data(), static_cast<std::size_t>(size)});
    if (!message) {
      report_.write_line("undecodable");
      return;
    }
    std::visit([this](const auto& value) { on_message(value); }, *message);
  }

  void on_message(const msg::Welcome& welcome) {
    report_.write_line("welcome " + welcome.app + " " +
                       std::string(msg::name(welcome.launch_reason)) + " " +
                       std::string(msg::name(welcome.state)));
    // What an app does after every (re)connect to its host: it tags again.
    if (line_.fd >= 0) tag(line_.fd, line_.fd);
  }
  void on_message(const msg::Reply& reply) const {
    if (quiet_) return;
    report_.write_line("reply " + std::string(wakeline::base::name(reply.error)) + " " +
                       std::to_string(reply.value) + " " + reply.message);
  }
  void on_message(const msg::StateChanged& changed) const {
    report_.write_line("state " + std::string(msg::name(changed.state)));
  }
  void on_message(const msg::Woken& woken) const {
    report_.write_line("woken " + std::string(msg::name(woken.cause)) + " " +
                       std::to_string(woken.tag) + " " + std::to_string(woken.window_ms));
  }
  void on_message(const msg::RunKeepAlive& run) {
    report_.write_line("keepalive " + std::to_string(run.budget_ms));
    if (overrun_) return;  // it takes longer than it may
    if (mend_) {           // what an app does that finds its line dead (C19)
      close(line_.fd);
      open_line();
      tag(line_.fd, line_.fd);
    }
    send_host(msg::KeepAliveDone{++request_});
  }
  void on_message(const msg::ExpireTask& expire) const {
    report_.write_line("expire " + std::to_string(expire.task));
  }
  void on_message(const msg::NotificationActivated& activated) const {
    report_.write_line("activated " + activated.action + " " + activated.payload +
                       (activated.activation_token.empty() ? "" : " ") +
                       activated.activation_token);
  }
  void on_message(const msg::CallStateChanged& changed) const {
    report_.write_line("call " + std::string(msg::name(changed.state)));
  }
  void on_message(const msg::NetworkChanged& changed) const {
    std::string line = "network";
    for (const auto& address : changed.addresses) line += " " + address.address;
    for (const auto& route : changed.routes) line += " by " + route.gateway;
    report_.write_line(line);
  }
  template <class Other>
  void on_message(const Other&) const {
    report_.write_line("unexpected message");
  }

  Line report_;
  Line line_;
  int host_ = -1;
  int udp_ = -1;
  bool overrun_ = false;
  bool quiet_ = false;  ///< answers are not reported
  bool mend_ = false;
  int local_ = -1;
  std::int64_t local_bytes_ = 0;
  msg::RequestId request_ = 0;
};

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  return App().run();
}
