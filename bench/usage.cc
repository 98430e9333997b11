// SPDX-License-Identifier: Apache-2.0
#include "usage.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "linux/proc.h"

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
  now.pss_kib = field(folder + "smaps_rollup", "Pss:");
  now.anonymous_kib = field(folder + "smaps_rollup", "Pss_Anon:");
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator(folder + "task", error)) {
    now.wakeups += field(thread.path() / "status", "voluntary_ctxt_switches:");
    now.preempted += field(thread.path() / "status", "nonvoluntary_ctxt_switches:");
    std::ifstream file(thread.path() / "schedstat");
    double run_ns = 0;
    file >> run_ns;
    now.cpu_ms += run_ns / 1e6;
  }
  return now;
}

Usage usage(const std::vector<pid_t>& processes) {
  Usage sum;
  for (const pid_t pid : processes) {
    const Usage one = usage(pid);
    sum.wakeups += one.wakeups;
    sum.preempted += one.preempted;
    sum.cpu_ms += one.cpu_ms;
    sum.rss_kib += one.rss_kib;
    sum.pss_kib += one.pss_kib;
    sum.anonymous_kib += one.anonymous_kib;
  }
  return sum;
}

std::vector<pid_t> process_tree(pid_t root, pid_t without) {
  const auto all = sys::list_processes();
  std::vector<pid_t> tree = {root};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    for (const sys::ProcStat& process : all) {
      if (process.parent == tree[i] && process.key.pid != without) tree.push_back(process.key.pid);
    }
  }
  return tree;
}

}  // namespace wakeline::bench
