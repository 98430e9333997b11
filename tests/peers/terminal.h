// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peer_program.h"

namespace wakeline::peers {

/// A terminal that a program is used in, and looked at: a window of tmux, whose server is a program
/// of the test and ends with this object.
class Terminal {
 public:
  /// Runs `command` in it; the window stays when that has ended. A test failure when it does not
  /// start.
  Terminal(std::string folder, const std::vector<std::string>& command,
           const std::vector<std::string>& environment = {});

  /// As a person would, with Enter at the end.
  void type(const std::string& line);
  /// What stands on it, a line each.
  std::string screen();
  /// Waits until `text` stands on it, within one line. A test failure that shows the screen when it
  /// does not come in time.
  void wait_text(const std::string& text, base::Duration timeout = kPeerPatience);
  bool shows(const std::string& text) { return screen().find(text) != std::string::npos; }

 private:
  std::string tmux(const std::vector<std::string>& arguments);

  std::string folder_;
  std::unique_ptr<PeerProgram> server_;
};

}  // namespace wakeline::peers
