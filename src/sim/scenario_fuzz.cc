// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sim/scenario_file.h"

/// Any text is a scenario or an error with a sentence; a scenario has a plan, unless it is large.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scenario = sim::read_scenario(text, "fuzz");
  if (!scenario) {
    WL_CHECK(!scenario.error().what.empty());
    return 0;
  }
  for (const sim::DeviceModel& device : scenario->devices)
    WL_CHECK(scenario->network(device.network) != nullptr);
  if (scenario->lasts < std::chrono::hours(1) && scenario->devices.size() < 10)
    WL_CHECK(sim::make_plan(*scenario, 1).pushes.size() <= 6 * sim::kPushesPlannedMax);
  return 0;
}
