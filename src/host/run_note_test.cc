// SPDX-License-Identifier: Apache-2.0
#include "host/run_note.h"

#include <gtest/gtest.h>

namespace wakeline::host {
namespace {

using namespace std::chrono_literals;
using base::Instant;
using doze::Earlier;

constexpr Instant kNow{5'000s};

TEST(RunNote, IsReadAsItWasWritten) {
  for (const bool foreground : {false, true}) {
    for (const Instant latest : {base::kNever, Instant(0ns), kNow + 600s}) {
      const Earlier earlier{.foreground = foreground, .keep_alive_latest = latest};
      EXPECT_EQ(read_note(write_note(earlier), kNow), earlier) << write_note(earlier);
    }
  }
  EXPECT_EQ(write_note({.foreground = true, .keep_alive_latest = Instant(7ns)}),
            "foreground keep_alive=7");
  EXPECT_EQ(write_note({}), "");
  EXPECT_EQ(read_note("closed", kNow), Earlier{.closed = true});
  EXPECT_EQ(write_note({.closed = true, .keep_alive_latest = Instant(7ns)}), "closed keep_alive=7");
}

TEST(RunNote, HasTheCountsAndTheWakesThatWereAskedFor) {  // C13, C14, C40
  const Earlier earlier{.foreground = true,
                        .keep_alive_latest = kNow + 600s,
                        .wakes = {{kNow + 1s, kNow + 2s}, {kNow - 2s, kNow - 1s}},
                        .limiter = {{kNow - 3s, kNow - 2s, kNow}, 4},
                        .budget = {900s, kNow - 1s, true},
                        .allowance = {kNow - 9s, 96}};
  EXPECT_EQ(read_note(write_note(earlier), kNow), earlier) << write_note(earlier);
  const Earlier small{.limiter = {{Instant(5ns)}, 0}, .budget = {7ns, Instant(6ns), false}};
  EXPECT_EQ(write_note(small), "limiter=0,5 budget=7,6,0");
}

TEST(RunNote, OfTheFullestLimiterIsReadWhole) {
  Earlier earlier;
  const Instant last{base::Duration(INT64_MAX - 1)};
  earlier.limiter.wakes.assign(doze::Limiter::kWakesLeft, last);
  earlier.wakes.assign(doze::kWakesMax, {last, last});
  EXPECT_EQ(read_note(write_note(earlier), last), earlier);
  EXPECT_LT(write_note(earlier).size(), 3'000U);  // what a note of a group may be
}

TEST(RunNote, TakesNothingThatWeDidNotWrite) {
  for (const char* text : {"",
                           " ",
                           "foregrounds",
                           "keep_alive=",
                           "keep_alive=-1",
                           "keep_alive=1x",
                           "keep_alive = 1",
                           "keep_alive=1,2",
                           "keep_alive=99999999999999999999",
                           "keep_alive=9000000000000000000",
                           "wake=1",
                           "wake=2,1",
                           "wake=1,2,3",
                           "wake=1,",
                           "wake=1,9000000000000000000",
                           "limiter=",
                           "limiter=0,2,1",
                           "limiter=0,5000000000001",
                           "limiter=-1",
                           "budget=1,1",
                           "budget=1,1,2",
                           "budget=1,5000000000001,0",
                           "budget=-1,1,0",
                           "allowance=1",
                           "allowance=1,0",
                           "allowance=5000000000001,1",
                           "allowance=1,1000001",
                           "other=1"}) {
    EXPECT_EQ(read_note(text, kNow), Earlier{}) << text;
  }
  EXPECT_EQ(read_note("other=1 foreground keep_alive=x", kNow), (Earlier{.foreground = true}));
  std::string many = "limiter=0";
  for (std::size_t i = 0; i <= doze::Limiter::kWakesLeft; ++i) many += ",1";
  EXPECT_EQ(read_note(many, kNow), Earlier{});
  // Of more wakes than one app may ask for the first are taken.
  EXPECT_EQ(read_note("wake=1,2 wake=1,2 wake=1,2 wake=1,2 wake=1,3", kNow).wakes.size(),
            doze::kWakesMax);
}

}  // namespace
}  // namespace wakeline::host
