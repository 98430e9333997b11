// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

namespace wakeline::app::c {

/// What a handle of the C ABI stands for; also the lowest bits of its number.
enum class Kind : std::uintptr_t {
  kApp = 1,
  kTag,
  kBackgroundTask,
  kAudioSession,
  kWakeRequest,
  kPushClient,
  kRunLoop,
  kStream,
};

/// The table of live handles. A handle is a number that is never used again, dressed as a pointer:
/// one that was freed is found out, whatever was made since. Any thread.
/// Lifetime: what `find` gives lives on while a call uses it, also when another thread frees it.
std::uintptr_t add_object(Kind kind, std::shared_ptr<void> object);
std::shared_ptr<void> find_object(Kind kind, std::uintptr_t handle);
/// Takes it out of the table. Null: it was not there.
std::shared_ptr<void> take_object(Kind kind, std::uintptr_t handle);

/// The table by types: `Handle` is the public one, `Object` ours.
template <class Handle, class Object, Kind kKind>
struct Handles {
  static Handle* add(std::shared_ptr<Object> object) {
    return reinterpret_cast<Handle*>(add_object(kKind, std::move(object)));
  }
  static std::shared_ptr<Object> find(const Handle* handle) {
    return std::static_pointer_cast<Object>(
        find_object(kKind, reinterpret_cast<std::uintptr_t>(handle)));
  }
  static std::shared_ptr<Object> take(const Handle* handle) {
    return std::static_pointer_cast<Object>(
        take_object(kKind, reinterpret_cast<std::uintptr_t>(handle)));
  }
};

}  // namespace wakeline::app::c
