// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace wakeline::sim {

/// Hears of every promise that was broken; the world collects them.
class Judge {
 public:
  virtual ~Judge() = default;
  virtual void violation(std::string what) = 0;
};

}  // namespace wakeline::sim
