// SPDX-License-Identifier: Apache-2.0
#include "cli/ready_file.h"

#include "base/log.h"
#include "io/file.h"

namespace wakeline::cli {

void write_ready_file(const std::string& path, std::string_view text) {
  if (path.empty()) return;
  const auto written = io::write_output(path, text, io::OutputMode::kShared);
  if (!written) {
    base::log(base::LogLevel::kWarning, "ready-file", "{}: {}", path,
              base::to_string(written.error()));
  }
}

}  // namespace wakeline::cli
