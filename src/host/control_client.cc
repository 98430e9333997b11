// SPDX-License-Identifier: Apache-2.0
#include "host/control_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/clock.h"
#include "io/pass_fds.h"

extern char** environ;

namespace wakeline::host {
namespace {

using base::ErrorCode;
using wire::host::AppInfo;
using wire::host::AppList;
using wire::host::Ended;
using wire::host::LedgerLine;
using wire::host::Message;
using wire::host::Reply;
using wire::host::Welcome;

std::unexpected<ControlError> failed(ErrorCode code, std::string message) {
  return std::unexpected(ControlError{code, std::move(message)});
}
std::unexpected<ControlError> failed(const base::Error& error) {
  return failed(error.code, base::to_string(error));
}

std::unexpected<ControlError> unexpected_answer() {
  return failed(ErrorCode::kMalformed, "the host sent an answer that does not fit the request");
}

/// A memory file with `text` that nobody can change any more.
base::Result<io::UniqueFd> memory_file(std::string_view text) {
  io::UniqueFd file(::memfd_create("wakeline-run", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return base::fail(base::os_error("memfd_create", errno));
  while (!text.empty()) {
    const ssize_t size = ::write(file.get(), text.data(), text.size());
    if (size < 0) return base::fail(base::os_error("write", errno));
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return base::fail(base::os_error("seal", errno));
  }
  return file;
}

/// Milliseconds for poll(2), rounded up so that it does not wake just before `deadline`.
int poll_timeout(base::Instant deadline) {
  const auto left = std::max(deadline - io::now(), base::Duration::zero());
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, 1'000'000'000));
}

/// `run` hands the host a terminal and an environment: not to a stranger's, who had the socket's
/// place first. Root may work with anybody's.
std::expected<void, ControlError> check_owner(int socket, const std::string& socket_path) {
  ucred host{};
  socklen_t size = sizeof host;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &host, &size) != 0) {
    return failed(base::os_error("SO_PEERCRED", errno));
  }
  const uid_t own = ::geteuid();
  if (own == 0 || host.uid == 0 || host.uid == own) return {};
  return failed(ErrorCode::kPermission, socket_path + ": this host is of another user (uid " +
                                            std::to_string(host.uid) + ")");
}

}  // namespace

std::expected<ControlClient, ControlError> ControlClient::connect(const std::string& socket_path,
                                                                  base::Duration timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return failed(ErrorCode::kTooLarge, socket_path + ": the path is too long for a socket");
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  io::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return failed(base::os_error("socket", errno));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const base::Error error = base::os_error("connect", errno);
    return failed(error.code, socket_path + ": " + base::to_string(error) +
                                  "; is the host running? (wakeline host)");
  }
  if (auto owner = check_owner(socket.get(), socket_path); !owner) {
    return std::unexpected(owner.error());
  }
  ControlClient client(std::move(socket), timeout);
  const wire::host::Hello hello{++client.request_, wire::host::kProtocolVersion, "control"};
  if (auto sent = client.send(hello); !sent) return std::unexpected(sent.error());
  auto answer = client.answer();
  if (!answer) return std::unexpected(answer.error());
  if (const auto* refused = std::get_if<Reply>(&*answer)) {
    return failed(refused->error, refused->message);
  }
  const auto* welcome = std::get_if<Welcome>(&*answer);
  if (welcome == nullptr) return unexpected_answer();
  client.welcome_ = *welcome;
  return client;
}

std::expected<void, ControlError> ControlClient::send(const Message& message,
                                                      const std::vector<int>& fds) {
  auto text = wire::host::encode(message);
  if (!text) return failed(text.error());
  if (const int error = io::send_with_fds(socket_.get(), base::as_bytes(*text), fds); error != 0) {
    return failed(base::os_error("send", error));
  }
  return {};
}

std::expected<std::uint64_t, ControlError> ControlClient::ask(const Message& message,
                                                              const std::vector<int>& fds) {
  if (auto sent = send(message, fds); !sent) return std::unexpected(sent.error());
  auto got = answer();
  if (!got) return std::unexpected(got.error());
  const auto* reply = std::get_if<Reply>(&*got);
  if (reply == nullptr || reply->request != request_) return unexpected_answer();
  if (reply->error != ErrorCode::kOk) return failed(reply->error, reply->message);
  return reply->value;
}

std::expected<std::optional<Message>, ControlError> ControlClient::receive(base::Instant deadline) {
  pollfd wait{socket_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, poll_timeout(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return failed(base::os_error("poll", errno));
  if (ready == 0) return std::nullopt;
  std::array<char, wire::host::kMessageMax> buffer;
  const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
  if (size < 0) return failed(base::os_error("recv", errno));
  if (size == 0) return failed(ErrorCode::kClosed, "the host closed the connection");
  if (static_cast<std::size_t>(size) > buffer.size()) {
    return failed(ErrorCode::kTooLarge, "the host sent a message over the limit");
  }
  auto message =
      wire::host::decode(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
  if (!message) return failed(message.error().code, message.error().message);
  return std::move(*message);
}

std::expected<Message, ControlError> ControlClient::answer() {
  const base::Instant deadline = base::saturating_add(io::now(), timeout_);
  for (;;) {
    auto message = receive(deadline);
    if (!message) return std::unexpected(message.error());
    if (!*message) return failed(ErrorCode::kTimeout, "the host did not answer in time");
    if (const auto* end = std::get_if<Ended>(&**message)) {
      ends_.push_back(*end);
      continue;
    }
    auto* line = std::get_if<LedgerLine>(&**message);
    if (line == nullptr) return std::move(**message);
    if (lines_.size() == kFollowBacklogMax) {
      return failed(ErrorCode::kTooLarge, "ledger lines came faster than they were read");
    }
    lines_.push_back(std::move(*line));
  }
}

std::expected<void, ControlError> ControlClient::command(wire::host::Command command,
                                                         const std::string& app) {
  const auto done = ask(wire::host::Control{++request_, command, app});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<void, ControlError> ControlClient::reload() {
  const auto done = ask(wire::host::Reload{++request_});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<std::vector<AppInfo>, ControlError> ControlClient::list() {
  const wire::host::List list{++request_};
  if (auto sent = send(list); !sent) return std::unexpected(sent.error());
  std::vector<AppInfo> apps;
  for (;;) {
    auto message = answer();
    if (!message) return std::unexpected(message.error());
    const auto* part = std::get_if<AppList>(&*message);
    if (part == nullptr || part->request != list.request) return unexpected_answer();
    apps.insert(apps.end(), part->apps.begin(), part->apps.end());
    if (!part->more) return apps;
  }
}

std::expected<void, ControlError> ControlClient::follow(std::uint32_t backlog) {
  const auto done = ask(wire::host::Follow{++request_, backlog});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<pid_t, ControlError> ControlClient::run(const wire::Manifest& manifest,
                                                      bool background) {
  auto entry = wire::write_desktop_entry(manifest);
  if (!entry) {
    return failed(entry.error().code,
                  "the command cannot be handed over: it must be UTF-8 without control characters");
  }
  std::string text = std::move(*entry);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    text += '\0';
    text += *variable;
  }
  text += '\0';
  const auto file = memory_file(text);
  if (!file) return failed(file.error());
  const auto pid = ask(wire::host::Run{++request_, background},
                       {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, file->get()});
  if (!pid) return std::unexpected(pid.error());
  return static_cast<pid_t>(*pid);
}

std::expected<void, ControlError> ControlClient::await(const std::string& app) {
  const auto done = ask(wire::host::Await{++request_, app});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<void, ControlError> ControlClient::signal(const std::string& app,
                                                        wire::host::SignalWord signal) {
  const auto done = ask(wire::host::Signal{++request_, app, signal});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<std::optional<Ended>, ControlError> ControlClient::next_end(base::Duration timeout) {
  if (!ends_.empty()) {
    const Ended end = ends_.front();
    ends_.pop_front();
    return end;
  }
  auto message = receive(base::saturating_add(io::now(), timeout));
  if (!message) return std::unexpected(message.error());
  if (!*message) return std::nullopt;
  const auto* end = std::get_if<Ended>(&**message);
  if (end == nullptr) return unexpected_answer();
  return *end;
}

std::expected<std::optional<LedgerLine>, ControlError> ControlClient::next_line(
    base::Duration timeout) {
  if (!lines_.empty()) {
    LedgerLine line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }
  auto message = receive(base::saturating_add(io::now(), timeout));
  if (!message) return std::unexpected(message.error());
  if (!*message) return std::nullopt;
  auto* line = std::get_if<LedgerLine>(&**message);
  if (line == nullptr) return unexpected_answer();
  return std::move(*line);
}

}  // namespace wakeline::host
