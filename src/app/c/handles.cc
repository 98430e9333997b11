// SPDX-License-Identifier: Apache-2.0
#include "app/c/handles.h"

#include <mutex>
#include <unordered_map>
#include <utility>

namespace wakeline::app::c {
namespace {

constexpr unsigned kKindBits = 4;

struct Table {
  std::mutex mutex;
  std::uintptr_t last = 0;
  std::unordered_map<std::uintptr_t, std::shared_ptr<void>> objects;
};

/// Never destroyed: a program may free its handles after main has returned.
Table& table() {
  static auto* const made = new Table;
  return *made;
}

bool is_of(Kind kind, std::uintptr_t handle) {
  return (handle & ((1U << kKindBits) - 1)) == static_cast<std::uintptr_t>(kind);
}

}  // namespace

std::uintptr_t add_object(Kind kind, std::shared_ptr<void> object) {
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  const std::uintptr_t handle = ((all.last + 1) << kKindBits) | static_cast<std::uintptr_t>(kind);
  all.objects.emplace(handle, std::move(object));
  ++all.last;
  return handle;
}

std::shared_ptr<void> find_object(Kind kind, std::uintptr_t handle) {
  if (!is_of(kind, handle)) return nullptr;
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  const auto found = all.objects.find(handle);
  return found == all.objects.end() ? nullptr : found->second;
}

std::shared_ptr<void> take_object(Kind kind, std::uintptr_t handle) {
  if (!is_of(kind, handle)) return nullptr;
  Table& all = table();
  const std::lock_guard lock(all.mutex);
  const auto found = all.objects.find(handle);
  if (found == all.objects.end()) return nullptr;
  auto object = std::move(found->second);
  all.objects.erase(found);
  return object;
}

}  // namespace wakeline::app::c
