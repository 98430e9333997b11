// SPDX-License-Identifier: Apache-2.0
#include "peers/screen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "bed.h"

namespace wakeline::bench {
namespace {

/// Of what was written last, in bytes: more than a screen full.
constexpr std::size_t kRecentMax = 16'384;
constexpr winsize kSize{.ws_row = 30, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};

}  // namespace

cli::Outcome<std::unique_ptr<Screen>> Screen::open() {
  io::UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::array<char, 64> name{};
  if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0 ||
      ::ptsname_r(master.get(), name.data(), name.size()) != 0) {
    return std::unexpected(base::to_string(base::os_error("open a terminal", errno)));
  }
  io::UniqueFd slave(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  auto stop = io::EventFd::create();
  if (!slave || !stop) return std::unexpected("a terminal cannot be opened");
  ::ioctl(slave.get(), TIOCSWINSZ, &kSize);
  return std::unique_ptr<Screen>(
      new Screen(std::move(master), std::move(slave), std::move(*stop), name.data()));
}

Screen::Screen(io::UniqueFd master, io::UniqueFd slave, io::EventFd stop, std::string path)
    : master_(std::move(master)),
      slave_(std::move(slave)),
      stop_(std::move(stop)),
      path_(std::move(path)),
      reader_([this] { read_on(); }) {}

Screen::~Screen() { stop_.signal(); }

void Screen::read_on() {
  std::array<pollfd, 2> wanted{pollfd{master_.get(), POLLIN, 0}, pollfd{stop_.fd(), POLLIN, 0}};
  for (;;) {
    if (::poll(wanted.data(), wanted.size(), -1) < 0) continue;
    if (wanted[1].revents != 0) return;
    std::array<char, 4'096> block{};
    const ssize_t got = ::read(master_.get(), block.data(), block.size());
    const std::int64_t now = monotonic_ns();
    if (got <= 0) return;
    const std::lock_guard lock(mutex_);
    recent_.append(block.data(), static_cast<std::size_t>(got));
    if (!found_ns_ && !expected_.empty() && recent_.find(expected_) != std::string::npos) {
      found_ns_ = now;
      changed_.notify_all();
    }
    if (recent_.size() > kRecentMax) recent_.erase(0, recent_.size() - kRecentMax);
  }
}

void Screen::expect(std::string text) {
  const std::lock_guard lock(mutex_);
  expected_ = std::move(text);
  recent_.clear();
  found_ns_.reset();
}

cli::Outcome<std::int64_t> Screen::await(base::Duration timeout) {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, timeout, [this] { return found_ns_.has_value(); })) return *found_ns_;
  return std::unexpected(fmt::format("it does not write '{}'; it wrote: {}", expected_, recent_));
}

void Screen::type(const std::string& text) {
  if (::write(master_.get(), text.data(), text.size()) < 0) return;  // `await` finds nothing then
}

std::string ring_word(int number) {
  constexpr int kWords = 13;
  const auto first = static_cast<char>('A' + 2 * (number % kWords));
  std::string word;
  for (int i = 0; i < 4; ++i) {
    word += first;
    word += static_cast<char>(first + 1);
  }
  return word;
}

}  // namespace wakeline::bench
