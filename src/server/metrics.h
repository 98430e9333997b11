// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace wakeline::server {

/// Numbers about the server in the text format of Prometheus. A family is made once, by name; a
/// counter or histogram may be used from any thread for as long as the registry lives.
class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  class Counter {
   public:
    void add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::uint64_t> value_ = 0;
  };

  /// Of seconds, from 0.1 ms to 10 s.
  class Histogram {
   public:
    static constexpr std::array<double, 15> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                                       0.005,  0.01,    0.025,  0.05,  0.1,
                                                       0.25,   0.5,     1,      2.5,   10};
    void observe(base::Duration span);

   private:
    friend class Metrics;
    std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets_{};
    std::atomic<std::uint64_t> nanoseconds_ = 0;
  };

  Metrics() = default;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The same name and labels give the same counter. `name` ends in _total.
  Counter& counter(const std::string& name, const std::string& help, Labels labels = {});
  /// `name` ends in _seconds.
  Histogram& histogram(const std::string& name, const std::string& help, Labels labels = {});
  /// `read` is called by `text`, on its thread.
  void gauge(const std::string& name, const std::string& help, std::function<double()> read,
             Labels labels = {});

  /// As a gauge, of what only rises; `name` ends in _total.
  void total(const std::string& name, const std::string& help, std::function<double()> read);

  /// Everything, family by family, by name. Source: Prometheus exposition format 0.0.4.
  std::string text() const;

 private:
  struct Family {
    std::string help;
    std::string type;
    std::map<Labels, Counter*> counters{};
    std::map<Labels, Histogram*> histograms{};
    std::map<Labels, std::function<double()>> gauges{};
  };
  Family& family(const std::string& name, const std::string& help, const char* type);

  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;  // guarded by mutex_
  std::deque<Counter> counters_;            // guarded by mutex_
  std::deque<Histogram> histograms_;        // guarded by mutex_
};

}  // namespace wakeline::server
