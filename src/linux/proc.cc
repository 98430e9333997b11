// SPDX-License-Identifier: Apache-2.0
#include "linux/proc.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>

#include "linux/control_file.h"
#include "linux/folders.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

template <class T>
bool to_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Reading the file of a process that ends meanwhile gives ESRCH or ENOENT: both are kNotFound.
base::Result<std::string> read_proc(pid_t pid, const char* file, std::size_t limit = 65'536) {
  return read_control(AT_FDCWD, proc_file(pid, file).c_str(), limit);
}

}  // namespace

std::string proc_file(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

base::Result<ProcStat> parse_proc_stat(std::string_view line) {
  const auto malformed = base::fail(ErrorCode::kMalformed, "/proc/PID/stat");
  const auto open = line.find(" (");
  const auto close = line.rfind(") ");
  ProcStat stat;
  if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
      !to_number(line.substr(0, open), stat.key.pid)) {
    return malformed;
  }
  line.remove_prefix(close + 2);
  // Fields are numbered from 1; the one after the name is the third, the state.
  for (int field = 3; field <= 22; ++field) {
    const auto end = line.find_first_of(" \n");
    const auto text = line.substr(0, end);
    bool good = !text.empty();
    if (field == 3) stat.state = good ? text[0] : '?';
    if (field == 4) good = to_number(text, stat.parent);
    if (field == 6) good = to_number(text, stat.session);
    if (field == 22) good = to_number(text, stat.key.start);
    if (!good) return malformed;
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return stat;
}

base::Result<ProcStat> read_proc_stat(pid_t pid) {
  const auto text = read_proc(pid, "stat");
  if (!text) return base::fail(text.error());
  return parse_proc_stat(*text);
}

std::vector<ProcStat> list_processes() {
  std::vector<ProcStat> list;
  const OpenFolder folder(::opendir("/proc"));
  if (!folder) return list;
  while (const dirent* entry = ::readdir(folder.get())) {
    pid_t pid = 0;
    if (!to_number(std::string_view(entry->d_name), pid)) continue;
    if (const auto stat = read_proc_stat(pid)) list.push_back(*stat);
  }
  return list;
}

bool is_busy(pid_t pid) {
  const OpenFolder folder(::opendir(proc_file(pid, "task").c_str()));
  if (!folder) return false;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] == '.') continue;
    const std::string file = std::string(entry->d_name) + "/stat";
    const auto text = read_control(::dirfd(folder.get()), file.c_str());
    if (!text) continue;  // the thread ended meanwhile
    const auto stat = parse_proc_stat(*text);
    if (stat && (stat->state == 'R' || stat->state == 'D')) return true;
  }
  return false;
}

std::uint64_t resident_kib(const std::vector<pid_t>& processes) {
  const auto page_kib = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1'024;
  std::uint64_t pages = 0;
  for (const pid_t pid : processes) {
    // "total resident shared …", in pages. Source: proc(5).
    const auto text = read_proc(pid, "statm");
    if (!text) continue;
    const std::string_view rest = std::string_view(*text).substr(text->find(' ') + 1);
    std::uint64_t resident = 0;
    if (to_number(rest.substr(0, rest.find(' ')), resident)) pages += resident;
  }
  return pages * page_kib;
}

base::Result<io::UniqueFd> open_pidfd(const ProcessKey& key) {
  io::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, key.pid, 0)));
  if (!pidfd) return base::fail(base::os_error("pidfd_open", errno));
  // The number may have passed to another process before the pidfd was made, not after.
  const auto stat = read_proc_stat(key.pid);
  if (!stat) return base::fail(stat.error());
  if (stat->key != key) return base::fail(ErrorCode::kNotFound, "pidfd_open");
  return pidfd;
}

base::Result<void> send_signal(int pidfd, int number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) != 0) {
    return base::fail(base::os_error("pidfd_send_signal", errno));
  }
  return {};
}

base::Result<base::Duration> process_cpu_time(pid_t pid) {
  clockid_t clock = 0;
  if (const int error = ::clock_getcpuclockid(pid, &clock)) {
    return base::fail(base::os_error("clock_getcpuclockid", error));
  }
  timespec time{};
  // EINVAL here: the process ended between the two calls.
  if (::clock_gettime(clock, &time) != 0) {
    return base::fail(ErrorCode::kNotFound, "clock_gettime", errno);
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

base::Result<std::string> initial_environment(pid_t pid, std::string_view variable) {
  // The kernel's own bound of an environment is 2 MiB (a quarter of the stack's limit).
  const auto text = read_proc(pid, "environ", 4 << 20);
  if (!text) return base::fail(text.error());
  std::string_view rest = *text;
  while (!rest.empty()) {
    const auto end = rest.find('\0');
    const auto entry = rest.substr(0, end);
    if (entry.size() > variable.size() && entry.starts_with(variable) &&
        entry[variable.size()] == '=') {
      return std::string(entry.substr(variable.size() + 1));
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return base::fail(ErrorCode::kNotFound, "/proc/PID/environ");
}

base::Result<std::string> cgroup_path_of(pid_t pid) {
  const auto text = read_proc(pid, "cgroup");
  if (!text) return base::fail(text.error());
  base::Result<std::string> path = base::fail(ErrorCode::kMalformed, "/proc/PID/cgroup");
  for_each_line(*text, [&](std::string_view line) {
    if (line.starts_with("0::")) path = std::string(line.substr(3));
  });
  return path;
}

}  // namespace wakeline::sys
