// SPDX-License-Identifier: Apache-2.0
#include "host/control_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/clock.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using wire::host::AppInfo;
using wire::host::AppList;
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

/// Milliseconds for poll(2), rounded up so that it does not wake just before `deadline`.
int poll_timeout(base::Instant deadline) {
  const auto left = std::max(deadline - io::now(), base::Duration::zero());
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, 1'000'000'000));
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

std::expected<void, ControlError> ControlClient::send(const Message& message) {
  const auto text = wire::host::encode(message);
  if (!text) return failed(text.error());
  const auto sent = ::send(socket_.get(), text->data(), text->size(), MSG_NOSIGNAL);
  if (sent < 0) return failed(base::os_error("send", errno));
  return {};
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
  const wire::host::Control control{++request_, command, app};
  if (auto sent = send(control); !sent) return sent;
  auto message = answer();
  if (!message) return std::unexpected(message.error());
  const auto* reply = std::get_if<Reply>(&*message);
  if (reply == nullptr || reply->request != control.request) return unexpected_answer();
  if (reply->error != ErrorCode::kOk) return failed(reply->error, reply->message);
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
  const wire::host::Follow follow{++request_, backlog};
  if (auto sent = send(follow); !sent) return sent;
  auto message = answer();
  if (!message) return std::unexpected(message.error());
  const auto* reply = std::get_if<Reply>(&*message);
  if (reply == nullptr || reply->request != follow.request) return unexpected_answer();
  if (reply->error != ErrorCode::kOk) return failed(reply->error, reply->message);
  return {};
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
