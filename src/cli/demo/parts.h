// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/http.h"
#include "cli/program.h"

namespace wakeline::cli::demo {

/// The files and processes of one demo: a folder of its own below the temporary folder, a server, a
/// host with the doorbell installed. Everything is on loopback and on ports that were free.
class Parts {
 public:
  /// `program`: this program's file; `doorbell`: the example app's.
  static Outcome<Parts> create(std::string program, std::string doorbell);
  Parts(Parts&&) = default;
  Parts& operator=(Parts&&) = default;
  /// Ends what runs, and removes the folder unless `keep_folder` was called.
  ~Parts();

  Outcome<void> start_server();
  Outcome<void> add_device();
  Outcome<void> start_host();
  void crash_server() { server_.crash(); }
  void crash_host() { host_.crash(); }
  void keep_folder() { keep_folder_ = true; }

  /// Hands in a push as an app server would. Returns: what the server answered.
  Outcome<HttpAnswer> push(const std::string& title, const std::string& body) const;

  const std::string& folder() const { return folder_; }
  std::string runtime_folder() const { return folder_ + "/run"; }
  std::string push_url() const {
    return "https://127.0.0.1:" + std::to_string(https_port_) + "/v1/push";
  }
  /// A command line for a person that does what `push` does.
  std::string curl_line() const;

 private:
  Parts() = default;
  std::string server_folder() const { return folder_ + "/server"; }

  std::string folder_;
  std::string program_;
  std::string doorbell_;
  std::string token_;
  int mqtts_port_ = 0;
  int https_port_ = 0;
  bool keep_folder_ = false;
  Program server_;
  Program host_;
};

}  // namespace wakeline::cli::demo
