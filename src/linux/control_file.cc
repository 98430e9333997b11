// SPDX-License-Identifier: Apache-2.0
#include "linux/control_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "io/unique_fd.h"

namespace wakeline::sys {

base::Result<std::string> read_control(int folder, const char* file, std::size_t limit) {
  const io::UniqueFd fd(::openat(folder, file, O_RDONLY | O_CLOEXEC));
  if (!fd) return base::fail(base::os_error("open", errno));
  std::string text;
  char buffer[4'096];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::fail(base::os_error("read", errno));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > limit) return base::fail(base::ErrorCode::kTooLarge, file);
  }
}

base::Result<void> write_control(int folder, const char* file, std::string_view text) {
  const io::UniqueFd fd(::openat(folder, file, O_WRONLY | O_CLOEXEC));
  if (!fd) return base::fail(base::os_error("open", errno));
  if (::write(fd.get(), text.data(), text.size()) < 0) {
    return base::fail(base::os_error("write", errno));
  }
  return {};
}

base::Result<std::uint64_t> control_value(std::string_view text, std::string_view key) {
  base::Result<std::uint64_t> found = base::fail(base::ErrorCode::kMalformed, "control file");
  for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') return;
    line.remove_prefix(key.size() + 1);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error == std::errc() && end == line.data() + line.size()) found = value;
  });
  return found;
}

}  // namespace wakeline::sys
