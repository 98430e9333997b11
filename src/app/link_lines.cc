// SPDX-License-Identifier: Apache-2.0
// The driver's connections: names, attempts, bytes, and what the kernel knows of them.
#include <errno.h>

#include <algorithm>
#include <utility>

#include <boost/asio/ip/address.hpp>

#include "app/link_driver.h"
#include "app/socket_check.h"
#include "base/log.h"

namespace wakeline::app {
namespace {

bool is_loopback(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  return !error && parsed.is_loopback();
}

bool is_loopback_name(const std::string& host) { return host == "localhost" || is_loopback(host); }

/// What people can do something about.
std::string tls_detail(const base::Error& error) {
  const std::string_view where = error.where;
  if (where == "tls.time")
    return "the certificate is not valid now: it or this machine's clock is wrong";
  if (where == "tls.name") return "the certificate is of another name";
  if (where == "tls.certificate") return "the certificate is of nobody that is trusted here";
  return base::to_string(error);
}

/// How a connection ended, for the machine: a reset and a silence may be a NAT's doing.
link::Why why_of(const base::Error& error) {
  if (error.code == base::ErrorCode::kTimeout || error.os_error == ETIMEDOUT)
    return link::Why::kPeerSilent;
  return error.os_error == ECONNRESET ? link::Why::kPeerReset : link::Why::kPeerClosed;
}

}  // namespace

link::LineFacts LinkDriver::line_facts() const {
  const auto line = lines_.find(link_.live());
  if (line == lines_.end() || !line->second.stream) return {};
  const LineState state = line_state(line->second.stream->fd());
  return {.ended = state.ended, .address_gone = false, .resending = state.resending};
}

void LinkDriver::read_network() {
  auto view = io::read_network();
  if (!view) {
    // Half a list says nothing of what is not in it: what was known goes on.
    base::log(base::LogLevel::kWarning, "link", "the network cannot be read: {}",
              base::to_string(view.error()));
    return;
  }
  link::NetworkFacts facts;
  const auto line = lines_.find(link_.live());
  if (line != lines_.end() && line->second.stream) {
    const std::string own = io::local_address(line->second.stream->fd());
    facts.local_address_gone = !own.empty() && !is_loopback(own) && !view->has(own);
  }
  // Somebody else's bridge, which comes and goes, leads nowhere.
  if (!server_on_link_) view->link_local.clear();
  // To this very machine there is always a way.
  const bool here = is_loopback_name(settings_.config.host);
  facts.online = here || !view->addresses.empty() || !view->link_local.empty();
  facts.key = view->key(base::as_text(settings_.config.token));
  facts.fingerprint = view->fingerprint();
  feed([&facts](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_network_changed(now, facts, out);
  });
}

void LinkDriver::carry_out(const link::Resolve& resolve) {
  lookup_ =
      io::lookup(core_.engine().loop(), resolve.host,
                 [this, generation = resolve.generation](base::Result<io::Lookup::Answer> answer) {
                   if (answer) note_server(*answer);
                   feed([&](link::Link& link, base::Instant now, link::Actions& out) {
                     if (!answer) return link.on_resolve_failed(now, generation, out);
                     std::vector<link::Address> addresses;
                     for (auto& each : answer->found)
                       addresses.push_back({each.ipv6, std::move(each.address)});
                     if (answer->whole)
                       link.on_resolved(now, generation, std::move(addresses), out);
                     else
                       link.on_resolved_in_part(now, generation, std::move(addresses), out);
                   });
                 });
}

/// Which addresses of ours are good for the server.
void LinkDriver::note_server(const io::Lookup::Answer& answer) {
  const bool on_link = std::ranges::any_of(
      answer.found, [](const auto& each) { return io::is_link_local(each.address); });
  const bool before = server_on_link_;
  server_on_link_ = on_link || (before && !answer.whole);
  if (server_on_link_ != before) later([this] { read_network(); });
}

void LinkDriver::carry_out(const link::Connect& connect) {
  const link::AttemptId id = connect.attempt;
  Line& line = lines_[id];
  if (!settings_.tls && !is_loopback(connect.address.text)) {
    // A name that was said to be this machine, and is not: the token must not leave it in clear.
    base::log(base::LogLevel::kError, "link", "{} is no loopback address, and TLS is off",
              connect.address.text);
    return later([this, id] { on_end(id, link::Why::kConnectFailed); });
  }
  io::ConnectOptions options;
  options.address = connect.address.text;
  options.port = connect.port;
  options.tls = settings_.tls;
  options.tls_name = settings_.config.host;
  options.keep_alive.idle = connect.heartbeat;
  if (!connect.probe) {
    options.on_connected_fd = [this, id](int fd) { on_tcp(id, fd); };
    options.tls_waits = settings_.tls != nullptr;
  }
  line.attempt = io::connect(core_.engine().loop(), std::move(options),
                             [this, id](base::Result<std::unique_ptr<io::Stream>> result) {
                               on_connected(id, std::move(result));
                             });
}

/// Tags before the first byte, so that none can come to an app that is asleep and untagged.
void LinkDriver::on_tcp(link::AttemptId id, int fd) {
  lines_.at(id).tag = core_.contract().tag(fd, [](const Result<TagKey>& tag) {
    if (tag) return;
    base::log(base::LogLevel::kWarning, "link", "pushes cannot wake this app: {}",
              tag.error().message);
  });
  if (!settings_.tls) return;
  feed(
      [id](link::Link& link, base::Instant now, link::Actions& out) { link.on_tcp(now, id, out); });
}

void LinkDriver::carry_out(const link::Secure& secure) {
  const auto line = lines_.find(secure.attempt);
  if (line != lines_.end() && line->second.attempt) line->second.attempt->secure();
}

void LinkDriver::on_connected(link::AttemptId id,
                              base::Result<std::unique_ptr<io::Stream>> result) {
  if (!result) {
    base::log(base::LogLevel::kInfo, "link", "#{}: {}", id.value, base::to_string(result.error()));
    const bool tls = result.error().code == base::ErrorCode::kTls;
    if (tls) tls_detail_ = tls_detail(result.error());
    return on_end(id, tls ? link::Why::kTlsFailed : link::Why::kConnectFailed);
  }
  Line& line = lines_.at(id);
  line.attempt.reset();
  line.stream = std::move(*result);
  line.stream->start([this, id](base::BytesView bytes) { on_bytes(id, bytes); },
                     [this, id](base::Error error) { on_end(id, why_of(error)); });
  feed([id](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_connected(now, id, out);
  });
}

void LinkDriver::on_bytes(link::AttemptId id, base::BytesView bytes) {
  // The link may close the line, or the app destroy this, before it has taken all.
  const auto alive = std::weak_ptr(alive_);
  while (!bytes.empty() && !alive.expired() && lines_.contains(id)) {
    std::size_t taken = 0;
    feed([&](link::Link& link, base::Instant now, link::Actions& out) {
      taken = link.on_bytes(now, id, bytes, out);
    });
    bytes = bytes.subspan(taken);
  }
}

void LinkDriver::on_end(link::AttemptId id, link::Why why) {
  const auto line = lines_.find(id);
  if (line == lines_.end()) return;
  untag(line->second);
  lines_.erase(line);
  feed([id, why](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_failed(now, id, why, out);
  });
}

void LinkDriver::carry_out(const link::Write& write) {
  const auto line = lines_.find(write.attempt);
  if (line != lines_.end() && line->second.stream) line->second.stream->write(write.bytes);
}

void LinkDriver::carry_out(const link::SetHeartbeat& set) {
  const auto line = lines_.find(set.attempt);
  if (line == lines_.end() || !line->second.stream) return;
  const auto done = io::set_keep_alive(line->second.stream->fd(), {.idle = set.heartbeat});
  if (!done) base::log(base::LogLevel::kWarning, "link", "{}", base::to_string(done.error()));
}

void LinkDriver::carry_out(const link::Close& close) {
  const auto line = lines_.find(close.attempt);
  if (line == lines_.end()) return;
  untag(line->second);
  if (line->second.stream) line->second.stream->close();
  lines_.erase(line);
}

void LinkDriver::untag(Line& line) {
  if (line.tag != 0) core_.contract().untag(std::exchange(line.tag, 0));
}

}  // namespace wakeline::app
