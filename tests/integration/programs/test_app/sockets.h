// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "wire/host_message.h"

namespace wakeline::test_app {

namespace msg = wire::host;

/// To WAKELINE_TEST_PORT on the loopback. Where `from` is named, the connection goes out from that
/// address of this machine. Returns: -1 when there is none.
int connect_tcp(const char* from = nullptr);
/// A stream to a local path, as of a display or a bus. -1: none.
int connect_local(const std::string& path);
/// To the host that launched this app. -1: none.
int connect_host();

/// Sends one message, and with it the descriptors. Returns: whether it was sent.
bool send_datagram(int fd, const std::string& text, const std::vector<int>& passed = {});

/// Text lines of one TCP connection.
struct Line {
  int fd = -1;
  std::string buffer;
  bool reading = true;  ///< false: bytes are left unread

  void write_line(const std::string& text) const;
};

}  // namespace wakeline::test_app
