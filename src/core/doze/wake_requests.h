// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "core/doze/types.h"

namespace wakeline::doze {

/// The wakes that one run of an app has asked for (C40), each in its window [earliest, latest].
class WakeRequests {
 public:
  /// An app reckons its windows by its own clock, before the host reads them: of the same one the
  /// two ends differ by what lies between, also on a loaded machine.
  static constexpr Duration kAskedAgainWithin = std::chrono::seconds(5);

  struct Window {
    Instant earliest;
    Instant latest;
    friend bool operator==(const Window&, const Window&) = default;
  };

  std::size_t size() const { return requests_.size(); }
  /// Whether the app may ask for no more; an owed one makes room.
  bool full() const { return size() >= kWakesMax && owed() == requests_.end(); }
  void add(WakeId id, Instant earliest, Instant latest) {
    if (size() >= kWakesMax) requests_.erase(owed());
    requests_.push_back({id, {earliest, latest}, false});
  }
  /// One that the app has asked an earlier host for: kept until the app asks for it again. It does
  /// not know this number.
  void add_owed(WakeId id, const Window& window) { requests_.push_back({id, window, true}); }
  /// The app asks for an owed one again, a moment after its host came: from now on it has this
  /// number, and what both windows have in common. Returns: whether there was such a one.
  bool take_over(WakeId id, Instant earliest, Instant latest) {
    const auto found = std::ranges::find_if(requests_, [&](const Request& r) {
      const Duration apart = latest - r.window.latest;
      return r.owed && apart <= kAskedAgainWithin && -apart <= kAskedAgainWithin;
    });
    if (found == requests_.end()) return false;
    const Instant last = std::min(latest, found->window.latest);
    *found = {id, {std::min(std::max(earliest, found->window.earliest), last), last}, false};
    return true;
  }
  std::vector<Window> windows() const {
    std::vector<Window> windows;
    for (const Request& request : requests_) windows.push_back(request.window);
    return windows;
  }
  bool remove(WakeId id) {
    return std::erase_if(requests_, [&](const Request& request) { return request.id == id; }) > 0;
  }
  /// Removes all. Returns: how many there were.
  std::size_t clear() {
    const std::size_t count = requests_.size();
    requests_.clear();
    return count;
  }

  /// The first `latest`, kNever without a request; and the `earliest` of that one.
  Instant latest() const { return requests_.empty() ? base::kNever : first().window.latest; }
  Instant earliest() const { return requests_.empty() ? base::kNever : first().window.earliest; }
  bool has_open(Instant now) const {
    return std::ranges::any_of(requests_,
                               [&](const Request& r) { return r.window.earliest <= now; });
  }
  struct Taken {
    WakeId id;
    Instant latest;
    bool owed;  ///< the app does not know its number
  };
  /// Takes out those whose window is open, the oldest first.
  std::vector<Taken> take_open(Instant now) {
    std::vector<Taken> taken;
    for (const Request& r : requests_)
      if (r.window.earliest <= now) taken.push_back({r.id, r.window.latest, r.owed});
    std::erase_if(requests_, [&](const Request& r) { return r.window.earliest <= now; });
    return taken;
  }

  friend bool operator==(const WakeRequests&, const WakeRequests&) = default;

 private:
  struct Request {
    WakeId id;
    Window window;
    bool owed = false;
    friend bool operator==(const Request&, const Request&) = default;
  };
  std::vector<Request>::const_iterator owed() const {
    return std::ranges::find_if(requests_, &Request::owed);
  }
  const Request& first() const {
    return *std::ranges::min_element(requests_, {},
                                     [](const Request& request) { return request.window.latest; });
  }

  std::vector<Request> requests_;  ///< at most kWakesMax
};

/// How many wakes an app may still ask for today (C40): a day begins with its first request.
class WakeAllowance {
 public:
  /// What the next host must know of it.
  struct Past {
    Instant day_start{};
    int taken = 0;
    friend bool operator==(const Past&, const Past&) = default;
  };
  WakeAllowance() = default;
  explicit WakeAllowance(const Past& past) : day_start_(past.day_start), taken_(past.taken) {}
  Past past() const { return {day_start_, taken_}; }

  /// Returns: false when the day's `most` are taken.
  bool take(Instant now, int most) {
    if (taken_ == 0 || now - day_start_ >= std::chrono::hours(24)) {
      day_start_ = now;
      taken_ = 0;
    }
    if (taken_ >= most) return false;
    ++taken_;
    return true;
  }
  /// What cost no wake of its own, or was cancelled, is not counted.
  void give_back(std::size_t count) {
    taken_ -= static_cast<int>(std::min(count, static_cast<std::size_t>(taken_)));
  }
  int taken() const { return taken_; }

  friend bool operator==(const WakeAllowance&, const WakeAllowance&) = default;

 private:
  Instant day_start_{};
  int taken_ = 0;
};

}  // namespace wakeline::doze
