// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace wakeline::app {

/// The same handler, whose copies are one: a lambda that counts its calls counts them all, although
/// each call is made on a copy, so that the handler may be replaced meanwhile.
template <class... Arguments>
std::function<void(Arguments...)> shared(std::function<void(Arguments...)> handler) {
  if (!handler) return {};
  auto one = std::make_shared<std::function<void(Arguments...)>>(std::move(handler));
  return [one = std::move(one)](Arguments... arguments) { (*one)(arguments...); };
}

/// Whether a handler may be called still: one that waits in the dispatcher when it is cancelled
/// has a call on its way, and what it refers to may be gone by then.
using Wanted = std::shared_ptr<std::atomic<bool>>;
inline Wanted wanted() { return std::make_shared<std::atomic<bool>>(true); }

}  // namespace wakeline::app
