// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "wire/host_message.h"
#include "wire/values_testing.h"

/// What is written is read again as the same message, for messages drawn from all that is allowed.
namespace wakeline::wire::host {
namespace {

using test_values::any;
using test_values::any_text;
using test_values::from;

RequestId any_request() { return from<RequestId>(1, std::numeric_limits<RequestId>::max()); }
std::string any_word(std::size_t least = 0) { return any_text(kNameMax, least); }
std::int64_t any_count() {
  return from<std::int64_t>(0, std::numeric_limits<std::int64_t>::max() - 1);
}
template <class E>
E any_of(E last, E first = E{}) {
  return static_cast<E>(from(std::to_underlying(first), std::to_underlying(last)));
}

Notification any_notification() {
  Notification notification;
  notification.title = any_text(kTitleMax, 1);
  notification.body = any_text(kBodyMax);
  notification.category = any_word();
  notification.sound = any_word();
  notification.tag = any_word();
  notification.payload = any_text(kPayloadMax);
  notification.urgency = any_of(Urgency::kCritical);
  for (std::size_t i = from<std::size_t>(0, kActionsMax); i > 0; --i) {
    notification.actions.push_back({any_word(1), any_word(1)});
  }
  return notification;
}

Welcome any_welcome() {
  Welcome welcome;
  welcome.request = any_request();
  welcome.app = any_word();
  welcome.profile = any_word();
  welcome.launch_reason = any_of(LaunchReason::kAdopted);
  welcome.state = any_of(AppState::kWaiting);
  welcome.wake_window_ms = any<std::uint32_t>();
  welcome.keep_alive_min_s = any<std::uint32_t>();
  welcome.task_pool_ms = any<std::uint32_t>();
  welcome.state_folder = any_text(kPathMax);
  welcome.apps_folder = any_text(kPathMax);
  return welcome;
}

Reply any_reply() {
  const int last = std::to_underlying(base::ErrorCode::kCount) - 1;
  return {any<RequestId>(), static_cast<base::ErrorCode>(from(0, last)), any_text(kDetailMax),
          any<std::uint64_t>()};
}

AppList any_list() {
  AppList list{any_request(), {}, any<bool>()};
  for (std::size_t i = from<std::size_t>(0, 3); i > 0; --i) {
    list.apps.push_back({any_word(1), any_word(), any_of(AppState::kWaiting), any_count(),
                         any<std::uint32_t>(), any<std::uint64_t>(), any<std::uint64_t>(),
                         any<std::uint32_t>(), any<std::uint32_t>(), any<std::uint64_t>(),
                         any<std::uint64_t>(), any<std::uint64_t>()});
  }
  return list;
}

LedgerLine any_line() {
  return {any<std::uint64_t>(), any_count(),          any_word(),          any_word(1),
          any_word(),           any_text(kDetailMax), any_count(),         any<std::uint64_t>(),
          any_word(),           any<std::uint64_t>(), any<std::uint64_t>()};
}

NetworkChanged any_network() {
  NetworkChanged network;
  for (std::size_t i = from<std::size_t>(0, kAddressesMax); i > 0; --i) {
    network.addresses.push_back({any_text(kInterfaceMax, 1), any_word(1)});
  }
  for (std::size_t i = from<std::size_t>(0, kRoutesMax); i > 0; --i) {
    network.routes.push_back({any_text(kInterfaceMax, 1), any_word()});
  }
  network.kind = any_word();
  network.metered = any<bool>();
  return network;
}

Message any_message() {
  static_assert(std::variant_size_v<Message> == 33);
  switch (from(0, 32)) {
    case 0:
      return Hello{any_request(), kProtocolVersion, any<bool>() ? "app" : "control"};
    case 1:
      return Tag{any_request(), from(0, std::numeric_limits<int>::max())};
    case 2:
      return Untag{any_request(), any<std::uint64_t>()};
    case 3:
      return QueryTag{any_request(), any<std::uint64_t>()};
    case 4:
      return BeginTask{any_request(), any_word()};
    case 5:
      return EndTask{any_request(), any<std::uint64_t>()};
    case 6:
      return QueryTime{any_request()};
    case 7:
      return SetKeepAlive{any_request(), any<std::uint32_t>()};
    case 8:
      return KeepAliveDone{any_request()};
    case 9:
      return Notify{any_request(), any_notification()};
    case 10:
      return Control{any_request(), any_of(Command::kClose), any_word(1)};
    case 11:
      return List{any_request()};
    case 12:
      return Follow{any_request(), from<std::uint32_t>(0, kBacklogMax)};
    case 13:
      return any_welcome();
    case 14:
      return any_reply();
    case 15:
      return StateChanged{any_of(AppState::kBackground, AppState::kForeground)};
    case 16:
      return Woken{any_of(WakeCause::kCall), any<std::uint64_t>(), any<std::uint32_t>()};
    case 17:
      return RunKeepAlive{any<std::uint32_t>()};
    case 18:
      return ExpireTask{any<std::uint64_t>(), any<std::uint32_t>()};
    case 19:
      return NotificationActivated{any<std::uint64_t>(), any_word(1), any_text(kPayloadMax),
                                   any_text(kTokenMax)};
    case 20:
      return any_list();
    case 21:
      return Run{any_request(), any<bool>()};
    case 22:
      return Await{any_request(), any_word(1)};
    case 23:
      return Signal{any_request(), any_word(1), any_of(SignalWord::kQuit)};
    case 24:
      return Reload{any_request()};
    case 25:
      return Ended{any_request(), any<bool>(), any<bool>(), any<std::uint32_t>()};
    case 26:
      return SetAudioSession{any_request(), any<bool>()};
    case 27:
      return RequestWake{any_request(), any<std::uint32_t>(), any<std::uint32_t>()};
    case 28:
      return CancelWake{any_request(), any<std::uint64_t>()};
    case 29:
      return WakeDue{any<std::uint64_t>()};
    case 30:
      return CallStateChanged{any_of(CallState::kActive)};
    case 31:
      return any_network();
    default:
      return any_line();
  }
}

RC_GTEST_PROP(HostMessageRoundTrip, ReadsEveryMessageThatItWrites, ()) {
  const Message message = any_message();
  const auto datagram = encode(message);
  RC_TAG(message.index());
  RC_ASSERT(datagram.has_value());
  RC_LOG() << *datagram << "\n";
  RC_ASSERT(datagram->size() <= kMessageMax);
  const auto again = decode(*datagram);
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == message);
}

}  // namespace
}  // namespace wakeline::wire::host
