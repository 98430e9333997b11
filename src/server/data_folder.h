// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace wakeline::server {

/// The files of one server; see admin.h.
class DataFolder {
 public:
  explicit DataFolder(std::string path) : path_(std::move(path)) {}

  std::string store() const { return path_ + "/store.db"; }
  std::string certificate() const { return path_ + "/certificate.pem"; }
  std::string key() const { return path_ + "/key.pem"; }
  std::string admin_token() const { return path_ + "/admin-token"; }
  std::string audit_log() const { return path_ + "/audit.log"; }
  std::string lock() const { return path_ + "/lock"; }
  std::string control() const { return path_ + "/control"; }

 private:
  std::string path_;
};

}  // namespace wakeline::server
