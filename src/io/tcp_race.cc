// SPDX-License-Identifier: Apache-2.0
#include "io/tcp_race.h"

#include <algorithm>
#include <deque>
#include <list>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "io/stream.h"
#include "io/tcp_socket.h"

namespace wakeline::io {
namespace {

using boost::asio::ip::tcp;
using OnDone = std::function<void(base::Result<UniqueFd>)>;

/// The families in turn, beginning with the one that the resolver prefers.
std::deque<std::string> in_turn(std::vector<Lookup::Found> found) {
  std::deque<std::string> order;
  bool ipv6 = found.front().ipv6;
  while (!found.empty() && order.size() < kTcpRacingMax) {
    auto next = std::ranges::find(found, ipv6, &Lookup::Found::ipv6);
    if (next == found.end()) next = found.begin();
    ipv6 = !next->ipv6;
    order.push_back(std::move(next->address));
    found.erase(next);
  }
  return order;
}

/// Shared with the waits under way, which find it `over_` when the owner went.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(Loop& loop, std::uint16_t port, OnDone on_done)
      : loop_(loop), port_(port), on_done_(std::move(on_done)), stagger_(loop.context()) {}

  void start(const std::string& host) {
    lookup_ = lookup(loop_, host, [this](base::Result<std::vector<Lookup::Found>> found) {
      if (!found) return done(base::fail(found.error()));
      waiting_ = in_turn(std::move(*found));
      start_next();
    });
  }

  void cancel() {
    over_ = true;
    lookup_.reset();
    stagger_.cancel();
    for (auto& racing : racing_) {
      boost::system::error_code ignored;
      racing.close(ignored);
    }
  }

 private:
  void start_next() {
    stagger_.cancel();
    while (!over_ && !waiting_.empty()) {
      const std::string address = std::move(waiting_.front());
      waiting_.pop_front();
      if (auto begun = begin(address); !begun) {
        error_ = begun.error();
        continue;
      }
      if (waiting_.empty()) return;
      stagger_.expires_after(kTcpStagger);
      stagger_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error && !self->over_) self->start_next();
      });
      return;
    }
    if (!over_ && racing_.empty()) done(base::fail(error_));
  }

  base::Result<void> begin(const std::string& address) {
    const auto endpoint = tcp_endpoint(address, port_);
    if (!endpoint) return base::fail(endpoint.error());
    auto fd = tcp_socket(*endpoint);
    if (!fd) return base::fail(fd.error());
    const auto racing = racing_.emplace(racing_.end(), loop_.context());
    boost::system::error_code error;
    racing->assign(endpoint->protocol(), fd->get(), error);
    if (error) {
      racing_.erase(racing);
      return base::fail(base::os_error("assign", error.value()));
    }
    fd->release();
    racing->async_connect(*endpoint,
                          [self = shared_from_this(), racing](boost::system::error_code connected) {
                            if (!self->over_) self->on_connected(racing, connected);
                          });
    return {};
  }

  void on_connected(std::list<tcp::socket>::iterator racing, boost::system::error_code error) {
    if (error) {
      error_ = base::os_error("connect", error.value());
      racing_.erase(racing);
      return start_next();
    }
    UniqueFd won(racing->release(error));
    if (error) return done(base::fail(base::os_error("release", error.value())));
    done(std::move(won));
  }

  void done(base::Result<UniqueFd> result) {
    const auto self = shared_from_this();  // the handler may destroy the race
    cancel();
    std::exchange(on_done_, nullptr)(std::move(result));
  }

  Loop& loop_;
  std::uint16_t port_;
  OnDone on_done_;
  bool over_ = false;
  base::Error error_{base::ErrorCode::kUnreachable, "connect"};
  std::unique_ptr<Lookup> lookup_;
  std::deque<std::string> waiting_;
  std::list<tcp::socket> racing_;
  boost::asio::steady_timer stagger_;
};

class RaceHandle : public TcpRace {
 public:
  explicit RaceHandle(std::shared_ptr<Race> race) : race_(std::move(race)) {}
  RaceHandle(const RaceHandle&) = delete;
  RaceHandle& operator=(const RaceHandle&) = delete;
  ~RaceHandle() override { race_->cancel(); }

 private:
  std::shared_ptr<Race> race_;
};

}  // namespace

std::unique_ptr<TcpRace> race_tcp(Loop& loop, const std::string& host, std::uint16_t port,
                                  OnDone on_done) {
  auto race = std::make_shared<Race>(loop, port, std::move(on_done));
  race->start(host);
  return std::make_unique<RaceHandle>(std::move(race));
}

}  // namespace wakeline::io
