// SPDX-License-Identifier: Apache-2.0
#include "server/scopes.h"

#include <algorithm>

#include "wire/push.h"

namespace wakeline::server {

namespace {

constexpr std::string_view kPush = "push";
constexpr std::string_view kPushTo = "push:";

/// "device/door-*" in its parts; false when it is no target.
bool is_target(std::string_view target) {
  const std::size_t slash = target.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view kind = target.substr(0, slash);
  if (kind != "device" && kind != "user" && kind != "group") return false;
  std::string_view name = target.substr(slash + 1);
  if (name.ends_with('*')) {
    name.remove_suffix(1);
    if (name.empty()) return true;
  }
  return wire::is_device_name(name);
}

bool is_scope(std::string_view word) {
  if (word == kPush || word == "reports" || word == "stats" || word == "subscriptions") return true;
  return word.starts_with(kPushTo) && is_target(word.substr(kPushTo.size()));
}

}  // namespace

base::Result<Scopes> Scopes::parse(std::string_view text) {
  Scopes scopes;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!is_scope(word)) return base::fail(base::ErrorCode::kMalformed, "scopes");
    scopes.words_.emplace_back(word);
  }
  if (scopes.words_.empty()) return base::fail(base::ErrorCode::kMalformed, "scopes");
  return scopes;
}

bool Scopes::has(std::string_view word) const {
  return std::ranges::find(words_, word) != words_.end();
}

bool Scopes::may_push(std::string_view kind, std::string_view name) const {
  return std::ranges::any_of(words_, [&](std::string_view word) {
    if (word == kPush) return true;
    if (!word.starts_with(kPushTo)) return false;
    word.remove_prefix(kPushTo.size());
    if (!word.starts_with(kind) || !word.substr(kind.size()).starts_with('/')) return false;
    word.remove_prefix(kind.size() + 1);
    if (!word.ends_with('*')) return word == name;
    word.remove_suffix(1);
    return name.starts_with(word);
  });
}

}  // namespace wakeline::server
