// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/check.h"

namespace wakeline::server {

namespace {

std::string escaped(std::string_view text, bool quote) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quote)
      out += "\\\"";
    else
      out += c;
  }
  return out;
}

/// {code="201",path="/v1/push"}; `more` stands behind the others.
std::string label_text(const Metrics::Labels& labels, std::string_view more = {}) {
  std::string text;
  for (const auto& [name, value] : labels)
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, escaped(value, true));
  if (!more.empty()) text += fmt::format("{}{}", text.empty() ? "" : ",", more);
  return text.empty() ? text : "{" + text + "}";
}

}  // namespace

void Metrics::Histogram::observe(base::Duration span) {
  const double seconds = std::chrono::duration<double>(span).count();
  const auto bound = std::ranges::lower_bound(kBounds, seconds);
  buckets_.at(static_cast<std::size_t>(bound - kBounds.begin()))
      .fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, span.count())),
                         std::memory_order_relaxed);
}

Metrics::Family& Metrics::family(const std::string& name, const std::string& help,
                                 const char* type) {
  Family& found = families_.try_emplace(name, Family{help, type}).first->second;
  WL_CHECK_MSG(found.type == type, "{} is a {}", name, found.type);
  return found;
}

Metrics::Counter& Metrics::counter(const std::string& name, const std::string& help,
                                   Labels labels) {
  const std::scoped_lock lock(mutex_);
  Counter*& counter = family(name, help, "counter").counters[std::move(labels)];
  if (counter == nullptr) counter = &counters_.emplace_back();
  return *counter;
}

Metrics::Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                                       Labels labels) {
  const std::scoped_lock lock(mutex_);
  Histogram*& histogram = family(name, help, "histogram").histograms[std::move(labels)];
  if (histogram == nullptr) histogram = &histograms_.emplace_back();
  return *histogram;
}

void Metrics::gauge(const std::string& name, const std::string& help, std::function<double()> read,
                    Labels labels) {
  const std::scoped_lock lock(mutex_);
  family(name, help, "gauge").gauges[std::move(labels)] = std::move(read);
}

void Metrics::total(const std::string& name, const std::string& help,
                    std::function<double()> read) {
  const std::scoped_lock lock(mutex_);
  family(name, help, "counter").gauges[{}] = std::move(read);
}

std::string Metrics::text() const {
  const std::scoped_lock lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, false), name,
                       family.type);
    for (const auto& [labels, counter] : family.counters)
      out += fmt::format("{}{} {}\n", name, label_text(labels), counter->value());
    for (const auto& [labels, read] : family.gauges)
      out += fmt::format("{}{} {}\n", name, label_text(labels), read());
    for (const auto& [labels, histogram] : family.histograms) {
      std::uint64_t below = 0;
      for (std::size_t i = 0; i <= Histogram::kBounds.size(); ++i) {
        below += histogram->buckets_.at(i).load(std::memory_order_relaxed);
        const std::string bound =
            i < Histogram::kBounds.size() ? fmt::format("{}", Histogram::kBounds.at(i)) : "+Inf";
        out += fmt::format("{}_bucket{} {}\n", name,
                           label_text(labels, fmt::format("le=\"{}\"", bound)), below);
      }
      const double sum =
          static_cast<double>(histogram->nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
      out +=
          fmt::format("{0}_sum{1} {2}\n{0}_count{1} {3}\n", name, label_text(labels), sum, below);
    }
  }
  return out;
}

}  // namespace wakeline::server
