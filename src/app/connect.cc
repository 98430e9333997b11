// SPDX-License-Identifier: Apache-2.0
#include "app/connect.h"

#include <fcntl.h>

#include <memory>
#include <utility>

#include "app/core.h"
#include "app/errors.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/tcp_race.h"

namespace wakeline::app {
namespace {

using Won = base::Result<io::UniqueFd>;

/// A race with a deadline; it keeps itself until it has answered.
class Bounded : public std::enable_shared_from_this<Bounded> {
 public:
  using OnDone = std::function<void(std::shared_ptr<Won>)>;
  explicit Bounded(OnDone on_done) : on_done_(std::move(on_done)) {}

  void start(io::Loop& loop, const std::string& host, std::uint16_t port, base::Duration timeout) {
    self_ = shared_from_this();
    auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [this] {
      done(base::fail(base::ErrorCode::kTimeout, "connect"));
    });
    if (!timer) return done(base::fail(timer.error()));
    timer_ = std::move(*timer);
    timer_->set(io::now() + timeout);
    race_ = io::race_tcp(loop, host, port, [this](Won won) { done(std::move(won)); });
  }

 private:
  void done(Won won) {
    const auto self = std::exchange(self_, nullptr);
    race_.reset();
    timer_.reset();
    on_done_(std::make_shared<Won>(std::move(won)));
  }

  OnDone on_done_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  std::unique_ptr<io::TcpRace> race_;
  std::shared_ptr<Bounded> self_;
};

}  // namespace

Result<int> connect_tcp(Core& core, const std::string& host, std::uint16_t port,
                        std::chrono::milliseconds timeout) {
  const base::Duration bound = base::bounded(timeout);
  const auto won = core.engine().wait_for<std::shared_ptr<Won>>(
      [loop = &core.engine().loop(), &host, port, bound](Bounded::OnDone done) {
        std::make_shared<Bounded>(std::move(done))->start(*loop, host, port, bound);
      });
  const std::string about = host + ":" + std::to_string(port);
  if (!*won) return to_public(won->error(), about);
  io::UniqueFd fd = std::move(**won);
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
    return to_public(base::os_error("fcntl", errno), about);
  return fd.release();
}

}  // namespace wakeline::app
