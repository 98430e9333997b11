// SPDX-License-Identifier: Apache-2.0
#include "io/boot.h"

#include <fstream>

namespace wakeline::io {

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace wakeline::io
