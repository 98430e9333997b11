// SPDX-License-Identifier: Apache-2.0
#include "io/tcp_race.h"

#include <algorithm>
#include <deque>
#include <list>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "io/clock.h"
#include "io/lookup.h"
#include "io/stream.h"
#include "io/tcp_socket.h"

namespace wakeline::io {
namespace {

using boost::asio::ip::tcp;
using OnRaceDone = std::function<void(base::Result<UniqueFd>)>;

/// The families in turn, beginning with `ipv6` or the other one.
std::deque<Lookup::Found> in_turn(std::vector<Lookup::Found> found, bool ipv6) {
  std::deque<Lookup::Found> order;
  while (!found.empty()) {
    auto next = std::ranges::find(found, ipv6, &Lookup::Found::ipv6);
    if (next == found.end()) next = found.begin();
    ipv6 = !next->ipv6;
    order.push_back(std::move(*next));
    found.erase(next);
  }
  return order;
}

/// Shared with the waits under way, which find it `over_` when the owner went.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(Loop& loop, std::uint16_t port, OnRaceDone on_done)
      : loop_(loop), port_(port), on_done_(std::move(on_done)), stagger_(loop.context()) {}

  void start(const std::string& host) {
    lookup_ = lookup(loop_, host, [this](base::Result<Lookup::Answer> answer) {
      if (!answer) return done(base::fail(answer.error()));
      whole_ = answer->whole;
      take(std::move(answer->found));
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
  /// What the resolver has found by now; some of it may have been started before.
  void take(std::vector<Lookup::Found> found) {
    const bool ipv6 = started_.empty() ? found.front().ipv6 : !started_.back().ipv6;
    std::erase_if(found, [this](const Lookup::Found& each) {
      return std::ranges::find(started_, each) != started_.end();
    });
    waiting_ = in_turn(std::move(found), ipv6);
    const std::size_t room = kTcpRacingMax - started_.size();
    if (waiting_.size() > room) waiting_.resize(room);
    if (racing_.empty())
      start_next();
    else
      start_next_in_time();
  }

  void start_next_in_time() {
    stagger_.cancel();
    if (waiting_.empty()) return;
    stagger_.expires_after(std::max(next_at_ - now(), base::Duration::zero()));
    stagger_.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error && !self->over_) self->start_next();
    });
  }

  void start_next() {
    while (!over_ && !waiting_.empty()) {
      started_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      if (auto begun = begin(started_.back().address); !begun) {
        error_ = begun.error();
        continue;
      }
      next_at_ = now() + kTcpStagger;
      return start_next_in_time();
    }
    // Where the resolver still has a part to tell, that may have the way.
    if (!over_ && racing_.empty() && whole_) done(base::fail(error_));
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
  OnRaceDone on_done_;
  bool over_ = false;
  base::Error error_{base::ErrorCode::kUnreachable, "connect"};
  std::unique_ptr<Lookup> lookup_;
  bool whole_ = false;  ///< the resolver has told all
  std::deque<Lookup::Found> waiting_;
  std::vector<Lookup::Found> started_;
  base::Instant next_at_;
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
                                  OnRaceDone on_done) {
  auto race = std::make_shared<Race>(loop, port, std::move(on_done));
  race->start(host);
  return std::make_unique<RaceHandle>(std::move(race));
}

}  // namespace wakeline::io
