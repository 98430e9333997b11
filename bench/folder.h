// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace wakeline::bench {

/// A folder of this run, gone with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "wakeline-bench-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) == nullptr ? std::string() : name;
  }
  ~Folder() {
    std::error_code ignored;
    if (keeps_)
      std::filesystem::remove(path_, ignored);
    else
      std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }  ///< empty: it could not be made
  /// It stays behind, unless nothing is in it.
  void keep_full() { keeps_ = true; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool keeps_ = false;
};

}  // namespace wakeline::bench
