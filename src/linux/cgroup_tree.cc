// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "linux/cgroup.h"
#include "linux/control_file.h"
#include "linux/folders.h"
#include "linux/proc.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// Set apart from the control files, whose names the kernel may add to.
constexpr std::string_view kAppPrefix = "app-";
constexpr std::size_t kMountinfoMax = 4 << 20;

std::string next_word(std::string_view& line) {
  const auto end = line.find(' ');
  std::string word(line.substr(0, end));
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}

// The kernel writes space, tab, newline and backslash of a path as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    if (!escaped) {
      out += text[i];
      continue;
    }
    out +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
    i += 3;
  }
  return out;
}

bool can_write(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

// To move a process from here into a cgroup below, both the folder and its cgroup.procs matter.
// Source: kernel, cgroup-v2, "Delegation Containment".
bool is_usable(const std::string& folder) {
  return can_write(folder) && can_write(folder + "/cgroup.procs");
}

// systemd marks what it has delegated. Source: systemd, CGROUP_DELEGATION.
bool is_delegated(const std::string& folder) {
  for (const char* name : {"user.delegate", "trusted.delegate"}) {
    char value[8];
    const ssize_t size = ::getxattr(folder.c_str(), name, value, sizeof value);
    if (size == 1 && value[0] == '1') return true;
  }
  return false;
}

base::Result<std::string> choose_parent(const CgroupMount& mount) {
  const auto own = own_cgroup_folder(mount);
  const bool own_usable = own && is_usable(*own);
  if (own_usable && is_delegated(*own)) return *own;
  // The mount's folder itself has no cgroup.freeze, but a folder in it has.
  if (is_usable(mount.path)) return mount.path;
  if (own_usable) return *own;
  return base::fail(ErrorCode::kPermission, "cgroup", EACCES);
}

}  // namespace

base::Result<CgroupMount> parse_cgroup_mount(std::string_view mountinfo) {
  base::Result<CgroupMount> found = base::fail(ErrorCode::kNotFound, "cgroup2 mount");
  for_each_line(mountinfo, [&](std::string_view line) {
    const auto separator = line.find(" - ");
    if (separator == std::string_view::npos) return;
    if (!line.substr(separator + 3).starts_with("cgroup2 ")) return;
    std::string_view front = line.substr(0, separator);
    for (int skipped = 0; skipped < 3; ++skipped) next_word(front);
    CgroupMount mount;
    mount.root = unescape(next_word(front));
    mount.path = unescape(next_word(front));
    // Of several, the one that shows the whole tree.
    if (!found || (found->root != "/" && mount.root == "/")) found = mount;
  });
  return found;
}

base::Result<CgroupMount> find_cgroup_mount() {
  const auto text = read_control(AT_FDCWD, "/proc/self/mountinfo", kMountinfoMax);
  if (!text) return base::fail(text.error());
  return parse_cgroup_mount(*text);
}

base::Result<std::string> own_cgroup_folder(const CgroupMount& mount) {
  auto path = cgroup_path_of(::getpid());
  if (!path) return path;
  std::string_view rest = *path;
  if (mount.root != "/") {
    if (!rest.starts_with(mount.root)) return base::fail(ErrorCode::kNotFound, "own cgroup");
    rest.remove_prefix(mount.root.size());
  }
  if (rest.starts_with("/..")) return base::fail(ErrorCode::kNotFound, "own cgroup");
  if (rest == "/" || rest.empty()) return mount.path;
  return mount.path + std::string(rest);
}

base::Result<std::string> CgroupTree::choose(const std::string& name, const std::string& parent) {
  const auto mount = find_cgroup_mount();
  if (!mount) return base::fail(mount.error());
  std::string chosen = parent;
  while (chosen.size() > 1 && chosen.ends_with('/')) chosen.pop_back();
  if (chosen.empty()) {
    const auto found = choose_parent(*mount);
    if (!found) return found;
    chosen = *found;
  } else if (chosen != mount->path && !chosen.starts_with(mount->path + "/")) {
    return base::fail(ErrorCode::kInvalidArgument, "cgroup parent");
  } else if (::access(chosen.c_str(), F_OK) != 0) {
    return base::fail(base::os_error("cgroup parent", errno));
  } else if (!is_usable(chosen)) {
    return base::fail(ErrorCode::kPermission, "cgroup parent", EACCES);
  }
  return chosen + "/wakeline-" + name;
}

base::Result<CgroupTree> CgroupTree::open(const std::string& name, const std::string& parent) {
  const auto folder = choose(name, parent);
  if (!folder) return base::fail(folder.error());
  const auto mount = find_cgroup_mount();
  if (!mount) return base::fail(mount.error());
  if (const auto top = Cgroup::open(*folder); !top) {
    ::rmdir(folder->c_str());  // ours only if empty
    return base::fail(top.error());
  }
  CgroupTree tree;
  tree.folder_ = *folder;
  tree.path_ = (mount->root == "/" ? "" : mount->root) + folder->substr(mount->path.size());
  return tree;
}

base::Result<Cgroup> CgroupTree::open_app(const std::string& id) const {
  return Cgroup::open(folder_ + "/" + std::string(kAppPrefix) + id);
}

std::string CgroupTree::id_of(const Cgroup& app) const {
  return app.folder().substr(folder_.size() + 1 + kAppPrefix.size());
}

std::vector<std::string> CgroupTree::apps() const {
  std::vector<std::string> ids;
  for (const auto& name : folders_in(folder_)) {
    if (name.starts_with(kAppPrefix)) ids.push_back(name.substr(kAppPrefix.size()));
  }
  return ids;
}

std::optional<std::string> CgroupTree::app_of(pid_t pid) const {
  const auto path = cgroup_path_of(pid);
  const std::string front = path_ + "/" + std::string(kAppPrefix);
  if (!path || !path->starts_with(front)) return std::nullopt;
  return path->substr(front.size(), path->find('/', front.size()) - front.size());
}

}  // namespace wakeline::sys
