// SPDX-License-Identifier: Apache-2.0
#include "io/signals.h"

#include <signal.h>

#include <utility>

#include <boost/asio/signal_set.hpp>

#include "base/check.h"

namespace wakeline::io {
namespace {

class SignalState : public std::enable_shared_from_this<SignalState> {
 public:
  SignalState(Loop& loop, const std::vector<int>& numbers, std::function<void(int)> on_signal)
      : set_(loop.context()), on_signal_(std::move(on_signal)) {
    for (const int number : numbers) {
      boost::system::error_code error;
      set_.add(number, error);
      WL_CHECK_MSG(!error, "signal={} error={}", number, error.value());
    }
  }

  void wait() {
    set_.async_wait([self = shared_from_this()](boost::system::error_code error, int number) {
      if (error || self->closed_) return;
      self->on_signal_(number);
      if (!self->closed_) self->wait();
    });
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    set_.cancel(ignored);
    set_.clear(ignored);
  }

 private:
  boost::asio::signal_set set_;
  std::function<void(int)> on_signal_;
  bool closed_ = false;
};

class SignalSet : public Signals {
 public:
  explicit SignalSet(std::shared_ptr<SignalState> state) : state_(std::move(state)) {
    state_->wait();
  }
  SignalSet(const SignalSet&) = delete;
  SignalSet& operator=(const SignalSet&) = delete;
  ~SignalSet() override { state_->close(); }

 private:
  std::shared_ptr<SignalState> state_;
};

void mask(int how, const std::vector<int>& numbers) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : numbers) ::sigaddset(&set, number);
  const int error = ::pthread_sigmask(how, &set, nullptr);
  WL_CHECK_MSG(error == 0, "error={}", error);
}

}  // namespace

std::unique_ptr<Signals> Signals::create(Loop& loop, const std::vector<int>& numbers,
                                         std::function<void(int)> on_signal) {
  return std::make_unique<SignalSet>(
      std::make_shared<SignalState>(loop, numbers, std::move(on_signal)));
}

void hold_signals(const std::vector<int>& numbers) { mask(SIG_BLOCK, numbers); }
void release_signals(const std::vector<int>& numbers) { mask(SIG_UNBLOCK, numbers); }

void ignore_sigpipe() { ::signal(SIGPIPE, SIG_IGN); }

}  // namespace wakeline::io
