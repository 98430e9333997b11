// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

#include "phone.h"

/// The command line of the softphone.
struct Arguments {
  Account account;
  std::chrono::seconds keep_alive{600};
};

/// Nullopt: it is none.
std::optional<Arguments> parse_arguments(int count, char** words);
