// SPDX-License-Identifier: Apache-2.0
#include "usage.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace wakeline::bench {
namespace {

/// The value behind `key` in a file of lines "key: value".
double field(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::atof(line.c_str() + key.size());
  }
  return 0;
}

}  // namespace

Usage usage(pid_t pid) {
  const std::string folder = fmt::format("/proc/{}/", pid);
  Usage now;
  now.rss_kib = field(folder + "status", "VmRSS:");
  now.anonymous_kib = field(folder + "smaps_rollup", "Pss_Anon:");
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator(folder + "task", error)) {
    now.wakeups += field(thread.path() / "status", "voluntary_ctxt_switches:");
    std::ifstream file(thread.path() / "schedstat");
    double run_ns = 0;
    file >> run_ns;
    now.cpu_ms += run_ns / 1e6;
  }
  return now;
}

}  // namespace wakeline::bench
