// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/members.h"

namespace CLI {
class App;
}

/// What `wakeline devices` does and `wakeline server` does under older names.
namespace wakeline::cli {

struct NewDevice {
  std::string name;
  std::string host = "localhost";
  std::uint16_t port = 8'883;
  std::string output;                          ///< empty: stdout
  std::vector<store::Members::Entry> of = {};  ///< what it belongs to
};
void add_new_device_options(CLI::App& command, NewDevice& device);

/// Each returns the exit code.
int add_device(const std::string& folder, const NewDevice& device);
int remove_device(const std::string& folder, const std::string& name);
int list_devices(const std::string& folder);

}  // namespace wakeline::cli
