// SPDX-License-Identifier: Apache-2.0
#include "stale.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include <string>

std::optional<std::chrono::milliseconds> age_of_newest_byte(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return std::chrono::milliseconds(info.tcpi_last_data_recv);
}

std::optional<std::chrono::milliseconds> age_by_date(std::string_view date,
                                                     std::chrono::system_clock::time_point now) {
  tm parts{};
  const std::string text(date);
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const time_t seconds = ::timegm(&parts);
  if (seconds < 0) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      now - std::chrono::system_clock::from_time_t(seconds));
}
