// SPDX-License-Identifier: Apache-2.0
#include "linux/call_states.h"

#include <gtest/gtest.h>

namespace wakeline::sys {
namespace {

TEST(CallStates, MapWhatTheModemsCallThem) {  // C30
  EXPECT_EQ(modem_manager_state(3), CallState::kIncoming);
  EXPECT_EQ(modem_manager_state(6), CallState::kIncoming);
  for (const int speaking : {1, 2, 4, 5}) {
    EXPECT_EQ(modem_manager_state(speaking), CallState::kActive) << speaking;
  }
  for (const int none : {-1, 0, 7, 8}) {
    EXPECT_EQ(modem_manager_state(none), CallState::kNone) << none;
  }
  EXPECT_EQ(ofono_state("incoming"), CallState::kIncoming);
  EXPECT_EQ(ofono_state("waiting"), CallState::kIncoming);
  for (const char* speaking : {"active", "held", "dialing", "alerting"}) {
    EXPECT_EQ(ofono_state(speaking), CallState::kActive) << speaking;
  }
  EXPECT_EQ(ofono_state("disconnected"), CallState::kNone);
  EXPECT_EQ(ofono_state(""), CallState::kNone);
}

TEST(CallStates, PutSpeakingBeforeRinging) {  // C30
  CallStates calls;
  EXPECT_EQ(calls.overall(), CallState::kNone);
  calls.set("mm:/1", CallState::kIncoming);
  EXPECT_EQ(calls.overall(), CallState::kIncoming);
  calls.set("of:/2", CallState::kActive);
  EXPECT_EQ(calls.overall(), CallState::kActive);
  calls.forget("of:");
  EXPECT_EQ(calls.overall(), CallState::kIncoming);
  calls.set("mm:/1", CallState::kNone);
  EXPECT_EQ(calls.overall(), CallState::kNone);
}

TEST(CallStates, AreBounded) {
  CallStates calls;
  for (int i = 0; i < 64; ++i) calls.set("mm:/" + std::to_string(i), CallState::kIncoming);
  calls.set("mm:/one more", CallState::kActive);
  EXPECT_EQ(calls.overall(), CallState::kIncoming);
  calls.set("mm:/0", CallState::kActive);
  EXPECT_EQ(calls.overall(), CallState::kActive);
}

}  // namespace
}  // namespace wakeline::sys
