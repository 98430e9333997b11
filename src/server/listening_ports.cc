// SPDX-License-Identifier: Apache-2.0
#include "server/listening_ports.h"

#include <fcntl.h>

#include <cerrno>

#include <boost/asio/ip/address.hpp>

#include "io/network.h"
#include "io/stream.h"

namespace wakeline::server {
namespace {

bool is_tls(PortKind kind) { return kind == PortKind::kMqtts || kind == PortKind::kHttps; }

/// Whether the socket listens where the configuration says: "::0" is "::".
bool listens_at(int fd, const Endpoint& at) {
  if (at.port != 0 && io::port_of(fd) != at.port) return false;
  boost::system::error_code error;
  const auto wanted = boost::asio::ip::make_address(at.address, error);
  return !error && wanted.to_string() == io::local_address(fd);
}

}  // namespace

Outcome<void> check_endpoint(const Endpoint& at, PortKind kind, bool off_loopback) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(at.address, error);
  if (error)
    return failure(to_string(at), base::Error{base::ErrorCode::kInvalidArgument, "address"});
  if (!is_tls(kind) && !off_loopback && !address.is_loopback())
    return failure(to_string(at),
                   base::Error{base::ErrorCode::kPermission, "plain text off loopback"});
  return {};
}

std::vector<std::pair<PortKind, Endpoint>> wanted_ports(const ServerOptions& options) {
  const std::pair<PortKind, const std::optional<Endpoint>&> rows[] = {
      {PortKind::kMqtt, options.mqtt},
      {PortKind::kMqtts, options.mqtts},
      {PortKind::kHttp, options.http},
      {PortKind::kHttps, options.https},
      {PortKind::kOperators, options.operators}};
  std::vector<std::pair<PortKind, Endpoint>> wanted;
  for (const auto& [kind, at] : rows) {
    if (at) wanted.emplace_back(kind, *at);
  }
  return wanted;
}

std::uint16_t& port_of(Ports& ports, PortKind kind) {
  switch (kind) {
    case PortKind::kMqtt:
      return ports.mqtt;
    case PortKind::kMqtts:
      return ports.mqtts;
    case PortKind::kHttp:
      return ports.http;
    case PortKind::kHttps:
      return ports.https;
    case PortKind::kOperators:
      break;
  }
  return ports.operators;
}

io::UniqueFd ListeningPorts::take_inherited(const Endpoint& at, PortKind kind) {
  for (Inheritance::Port& port : inherited_) {
    if (port.fd && port.kind == kind && listens_at(port.fd.get(), at)) return std::move(port.fd);
  }
  return {};
}

/// The process before holds its socket until we serve: on the same port of another address, also of
/// all addresses, ours comes beside it.
Outcome<io::UniqueFd> ListeningPorts::open_new(const Endpoint& at, PortKind kind) const {
  std::vector<int> beside;
  for (const Inheritance::Port& port : inherited_) {
    if (port.fd && port.kind == kind && at.port != 0 && io::port_of(port.fd.get()) == at.port)
      beside.push_back(port.fd.get());
  }
  auto opened = io::listen_tcp(at.address, at.port, beside);
  if (!opened) return failure(to_string(at), opened.error());
  return std::move(*opened);
}

Outcome<std::vector<Inheritance::Port>> ListeningPorts::open(const ServerOptions& options) {
  std::vector<Inheritance::Port> opened;
  for (const auto& [kind, at] : wanted_ports(options)) {
    auto fd = open_one(at, kind, options.plain_off_loopback);
    if (!fd) return std::unexpected(fd.error());
    opened.push_back({kind, std::move(*fd)});
  }
  return opened;
}

Outcome<io::UniqueFd> ListeningPorts::open_one(const Endpoint& at, PortKind kind,
                                               bool off_loopback) {
  if (auto checked = check_endpoint(at, kind, off_loopback); !checked)
    return std::unexpected(checked.error());
  io::UniqueFd fd = take_inherited(at, kind);
  if (!fd) {
    auto opened = open_new(at, kind);
    if (!opened) return opened;
    fd = std::move(*opened);
  }
  io::UniqueFd kept(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!kept) return failure(to_string(at), base::os_error("dup", errno));
  kept_.push_back({kind, std::move(kept)});
  return fd;
}

}  // namespace wakeline::server
