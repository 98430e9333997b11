// SPDX-License-Identifier: Apache-2.0
#include "cli/server_folder.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "io/file.h"
#include "server/data_folder.h"
#include "store/database.h"

namespace wakeline::cli {

std::string own_server_folder() { return io::default_state_folder() + "/server"; }

std::string server_folder(const std::string& service, const std::string& own) {
  std::error_code error;
  return std::filesystem::exists(server::DataFolder(service).store(), error) ? service : own;
}

std::string default_server_folder() {
  // Who names a folder for state means that one.
  const bool named = std::getenv("XDG_STATE_HOME") != nullptr;
  if (::geteuid() != 0 || named) return own_server_folder();
  return server_folder(kServiceFolder, own_server_folder());
}

std::string_view hint_of(const server::Failure& failure) {
  const std::string_view where = failure.error.where;
  if (where == "no server has been started here")
    return "Where the server's folder is another one, name it: --data-folder FOLDER.";
  if (where == store::kOlderSchema) {
    return "The file is of an older version of the server: start that server anew with this "
           "program, or upgrade it in place (SIGHUP), then try again.";
  }
  if (where == "store.epoch") return "It was put back from a backup: start the server first.";
  return {};
}

}  // namespace wakeline::cli
