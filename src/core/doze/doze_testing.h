// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <ostream>
#include <set>
#include <utility>
#include <vector>

#include "core/doze/doze.h"

/// What the tests of doze share.
namespace wakeline::doze {

namespace testing {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): times in tests

/// What one event puts out, compared by value and printed by lines.
struct List : std::vector<Action> {
  using std::vector<Action>::vector;
};
inline void PrintTo(const List& list, std::ostream* stream) {
  for (const Action& action : list) *stream << "\n    " << to_line(action);
}

inline Ledger ledger(AppId app, LedgerEvent event, std::string reason, std::int64_t value = 0) {
  return {app, event, std::move(reason), value};
}

inline constexpr ExitStatus kExitOk{};
inline constexpr ExitStatus kExitFailed{.code = 3};
inline constexpr ExitStatus kExitCrashed{.signaled = true, .code = 11};

/// A machine with one voip app, and a clock that the test moves.
struct Bed {
  explicit Bed(Profile profile = Profile::linux_default()) : doze(std::move(profile)) {
    app = add("doorbell");
  }

  Doze doze;
  Instant now{1'000s};
  Actions out;
  AppId app;
  std::uint64_t bytes = 0;  ///< as every tag reads
  Duration cpu{};
  std::set<TagId> ended{};  ///< as every reading says from then on

  AppId add(std::string name, bool voip = true) {
    return doze.add_app({.name = std::move(name), .voip = voip}).value();
  }

  /// What was put out since the last call.
  List take() {
    List list(out.begin(), out.end());
    out.clear();
    return list;
  }
  List pass(Duration span) {
    now += span;
    doze.on_deadline(now, out);
    return take();
  }
  /// Goes on to the next deadline.
  List next() {
    now = doze.next_deadline();
    doze.on_deadline(now, out);
    return take();
  }

  Reading reading(AppId id, std::uint32_t unread = 0) const {
    Reading reading{.tags = {}, .cpu = cpu};
    for (const Tag& tag : doze.find(id)->run.tags)
      reading.tags.push_back({tag.id, bytes, unread, ended.contains(tag.id)});
    return reading;
  }

  void launch(AppId id) {
    doze.on_launch_wanted(now, id, LaunchReason::kUser, out);
    doze.on_launched(now, id, out);
    take();
  }
  TagId tag(AppId id) {
    const TagId tag = doze.tag(now, id, out).value();
    take();
    return tag;
  }
  /// Answers samples, with nothing new, until something else is put out; that is returned.
  List idle(AppId id) {
    for (int i = 0; i < 1'000; ++i) {
      List list = next();
      if (list != List{Sample{id}}) return list;
      doze.on_sample(now, id, reading(id), out);
      List answer = take();
      if (!answer.empty()) return answer;
    }
    ADD_FAILURE() << "never quiet";
    return {};
  }
  List suspended(AppId id, const Reading& reading) {
    doze.on_suspended(now, id, reading, out);
    return take();
  }
  /// Lets a background app fall asleep with nothing unread.
  void sleep(AppId id) {
    EXPECT_EQ(idle(id), List{Suspend{id}});
    suspended(id, reading(id));
    EXPECT_EQ(doze.state(id), AppState::kSuspended);
  }
  List data(AppId id, TagId tag) {
    bytes += 10;
    doze.on_socket_event(now, id, tag, SocketEvent::kData, out);
    return take();
  }
  List exited(AppId id, ExitStatus status) {
    doze.on_exited(now, id, status, out);
    return take();
  }
  List foreground(AppId id) {
    doze.on_foreground(now, id, out);
    return take();
  }
  List background(AppId id) {
    doze.on_background(now, id, out);
    return take();
  }
};

}  // namespace testing
}  // namespace wakeline::doze
