// SPDX-License-Identifier: Apache-2.0
#include "core/link/inbox.h"

#include <gtest/gtest.h>

namespace wakeline::link {
namespace {

using Verdict = Inbox::Verdict;

/// Brings message `digest` under `packet_id` and has the app accept it. Returns: the id to
/// acknowledge.
std::uint16_t take(Inbox& inbox, std::uint16_t packet_id, std::uint64_t digest) {
  Memory memory;
  const auto arrival = inbox.on_unnumbered(packet_id, false, digest);
  EXPECT_EQ(arrival.verdict, Verdict::kDeliver);
  const auto accepted = inbox.accept(memory, arrival.id, 1);
  EXPECT_EQ(accepted.next, Inbox::Acceptance::kAcknowledge);
  return accepted.packet_id;
}

TEST(Inbox, KnowsARedeliveryWhoseAcknowledgementWasLost) {
  Inbox inbox;
  inbox.on_login(false);
  EXPECT_EQ(take(inbox, 7, 100), 7);
  // As often as the line is lost before the broker has read it.
  for (int i = 0; i < 3; ++i) {
    inbox.on_login(true);
    EXPECT_EQ(inbox.on_unnumbered(7, true, 100).verdict, Verdict::kAcknowledge);
  }
}

TEST(Inbox, DeliversAnotherMessageThatIsSentTwiceUnderAnIdThatWasAcknowledged) {
  Inbox inbox;
  inbox.on_login(false);
  take(inbox, 7, 100);
  inbox.on_login(true);
  EXPECT_EQ(inbox.on_unnumbered(7, true, 200).verdict, Verdict::kDeliver);
}

TEST(Inbox, DeliversTheSameContentAgainWhereItIsNoRedelivery) {
  Inbox inbox;
  inbox.on_login(false);
  take(inbox, 7, 100);
  EXPECT_EQ(inbox.on_unnumbered(7, false, 100).verdict, Verdict::kDeliver);
}

TEST(Inbox, ForgetsWhatItAcknowledgedWithTheSession) {
  Inbox inbox;
  inbox.on_login(false);
  take(inbox, 7, 100);
  inbox.on_login(false);
  EXPECT_EQ(inbox.on_unnumbered(7, true, 100).verdict, Verdict::kDeliver);
}

TEST(Inbox, RemembersABoundedNumberOfAcknowledgements) {
  Inbox inbox;
  inbox.on_login(false);
  for (std::uint16_t id = 1; id <= kUnacceptedMax + 1; ++id) take(inbox, id, id);
  inbox.on_login(true);
  EXPECT_EQ(inbox.on_unnumbered(2, true, 2).verdict, Verdict::kAcknowledge);
  EXPECT_EQ(inbox.on_unnumbered(1, true, 1).verdict, Verdict::kDeliver);
}

}  // namespace
}  // namespace wakeline::link
