// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/doze/types.h"

namespace wakeline::doze {

/// What the machine knows of one app. `doze.cc` moves it through its life.
struct App {
  AppConfig config;
  AppState state = AppState::kStopped;
  friend bool operator==(const App&, const App&) = default;
};

}  // namespace wakeline::doze
