// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "host/run_note.h"

/// Whatever an app's user has put in the place of our note gives a state within its bounds, which
/// reads the same once written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const base::Instant now{std::chrono::seconds(4'000)};
  const auto earlier =
      host::read_note(std::string_view(reinterpret_cast<const char*>(data), size), now);
  WL_CHECK(earlier.wakes.size() <= doze::kWakesMax);
  WL_CHECK(earlier.limiter.wakes.size() <= doze::Limiter::kWakesLeft);
  for (const base::Instant wake : earlier.limiter.wakes) WL_CHECK(wake <= now);
  WL_CHECK(earlier.budget.since <= now);
  const std::string text = host::write_note(earlier);
  WL_CHECK_MSG(host::read_note(text, now) == earlier, "{}", text);
  return 0;
}
