// SPDX-License-Identifier: Apache-2.0
// The C ABI from C++, with a host and a broker that do as they are told: what is given through it,
// and what misuse is answered with. tests/integration/programs/c_app.c is compiled as C.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <wakeline/wakeline.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "app/broker_testing.h"
#include "app/host_testing.h"

namespace wakeline::app::test {
namespace {

class CAbiTest : public testing::Test {
 protected:
  CAbiTest() {
    wakeline_app_options_t options = WAKELINE_APP_OPTIONS_INIT;
    const std::string path = folder.file("host.sock");
    options.host_path = path.c_str();
    WL_CHECK(wakeline_app_create(&options, &app) == WAKELINE_OK);
  }
  ~CAbiTest() override { wakeline_app_free(app); }

  int fd() const {
    int fd = -1;
    EXPECT_EQ(wakeline_app_fd(app, &fd), WAKELINE_OK);
    return fd;
  }
  /// For dispatch_until.
  struct Dispatching {
    const CAbiTest* test;
    int fd() const { return test->fd(); }
    void dispatch() const { EXPECT_EQ(wakeline_app_dispatch(test->app, nullptr), WAKELINE_OK); }
  };
  bool await(const std::function<bool()>& done) const {
    const Dispatching dispatching{this};
    return dispatch_until(dispatching, done);
  }
  wakeline_push_client_t* create_client(bool manual) {
    wakeline_push_options_t options = WAKELINE_PUSH_OPTIONS_INIT;
    const std::string state = folder.file("door");
    options.host = "127.0.0.1";
    options.port = broker.port();
    options.device = "door";
    options.token = "secret";
    options.state_file = state.c_str();
    options.plain = true;
    options.manual_accept = manual;
    wakeline_push_client_t* client = nullptr;
    EXPECT_EQ(wakeline_push_client_create(app, &options, &client), WAKELINE_OK)
        << wakeline_error_message();
    return client;
  }
  bool await_ready(wakeline_push_client_t* client) const {
    return await([&] {
      wakeline_link_state_t state = WAKELINE_LINK_STOPPED;
      wakeline_push_client_status(
          client,
          [](const wakeline_link_status_t* status, void* user) {
            *static_cast<wakeline_link_state_t*>(user) = status->state;
          },
          &state);
      return state == WAKELINE_LINK_READY;
    });
  }

  io::TestFolder folder;
  TestBroker broker;
  TestHost peer{folder.file("host.sock")};
  wakeline_app_t* app = nullptr;
};

void count(void* user) { ++*static_cast<int*>(user); }

TEST_F(CAbiTest, TellsTheHostAndTheLaunch) {
  wakeline_host_info_t info = WAKELINE_HOST_INFO_INIT;
  ASSERT_EQ(wakeline_app_host(app, &info), WAKELINE_OK);
  EXPECT_STREQ(info.app, "doorbell");
  EXPECT_STREQ(info.profile, "linux");
  EXPECT_EQ(info.wake_window_ms, 10'000);
  EXPECT_EQ(info.keep_alive_min_s, 600);
  EXPECT_EQ(info.task_pool_ms, 180'000);
  wakeline_launch_reason_t reason = -1;
  ASSERT_EQ(wakeline_app_launch_reason(app, &reason), WAKELINE_OK);
  EXPECT_STREQ(wakeline_launch_reason_name(reason), "crash");
  wakeline_app_state_t state = -1;
  ASSERT_EQ(wakeline_app_state(app, &state), WAKELINE_OK);
  EXPECT_STREQ(wakeline_app_state_name(state), "background");
}

TEST_F(CAbiTest, RefusesNullFreedAndOtherHandles) {
  int fd = -1;
  EXPECT_EQ(wakeline_app_fd(nullptr, &fd), WAKELINE_ERROR_HANDLE);
  EXPECT_STREQ(wakeline_error_message(), "app: not a live handle of its kind");
  EXPECT_EQ(wakeline_app_fd(app, nullptr), WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(fd, -1);
  wakeline_background_task_t* task = nullptr;
  int expired = 0;
  ASSERT_EQ(wakeline_app_begin_background_task(app, "a", count, &expired, &task), WAKELINE_OK);
  EXPECT_EQ(wakeline_tag_free(reinterpret_cast<wakeline_tag_t*>(task)), WAKELINE_ERROR_HANDLE);
  EXPECT_EQ(wakeline_background_task_free(task), WAKELINE_OK);
  EXPECT_EQ(wakeline_background_task_free(task), WAKELINE_ERROR_HANDLE);
  EXPECT_EQ(wakeline_background_task_free(nullptr), WAKELINE_OK);
  wakeline_background_task_t* other = nullptr;
  ASSERT_EQ(wakeline_app_begin_background_task(app, "b", count, &expired, &other), WAKELINE_OK);
  EXPECT_NE(other, task);
  EXPECT_EQ(wakeline_background_task_free(task), WAKELINE_ERROR_HANDLE);
  EXPECT_EQ(wakeline_background_task_free(other), WAKELINE_OK);
  EXPECT_EQ(wakeline_app_stop(nullptr), WAKELINE_ERROR_HANDLE);
}

TEST_F(CAbiTest, HandlesOutliveTheirAppAndAFreedAppRunsNoCallback) {
  wakeline_background_task_t* task = nullptr;
  int expired = 0;
  ASSERT_EQ(wakeline_app_begin_background_task(app, "a", count, &expired, &task), WAKELINE_OK);
  peer.take(1);
  peer.send(host::ExpireTask{1});
  pollfd waited{fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waited, 1, 10'000), 1);
  ASSERT_EQ(wakeline_app_free(app), WAKELINE_OK);
  EXPECT_EQ(wakeline_app_dispatch(app, nullptr), WAKELINE_ERROR_HANDLE);
  EXPECT_EQ(wakeline_background_task_free(task), WAKELINE_OK);
  EXPECT_EQ(expired, 0);
}

TEST_F(CAbiTest, ACallbackMayFreeItsAppWhileItRuns) {
  struct Seen {
    wakeline_app_t* app;
    int calls;
  } seen{app, 0};
  wakeline_app_on_woken(
      app,
      [](wakeline_wake_cause_t, void* user) {
        auto& its = *static_cast<Seen*>(user);
        ++its.calls;
        wakeline_app_free(its.app);
      },
      &seen);
  for (int i = 0; i < 2; ++i) {
    peer.send(host::Woken{.cause = host::WakeCause::kSocketData});
  }
  EXPECT_EQ(wakeline_app_run(app), WAKELINE_OK);
  EXPECT_EQ(seen.calls, 1);
}

TEST_F(CAbiTest, AFreedTaskIsNotTold) {
  wakeline_background_task_t* task = nullptr;
  int expired = 0;
  ASSERT_EQ(wakeline_app_begin_background_task(app, "a", count, &expired, &task), WAKELINE_OK);
  peer.take(1);
  peer.send(host::ExpireTask{1});
  pollfd waited{fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waited, 1, 10'000), 1);  // it waits for the dispatching thread
  EXPECT_EQ(wakeline_background_task_free(task), WAKELINE_OK);
  EXPECT_EQ(wakeline_app_dispatch(app, nullptr), WAKELINE_OK);
  EXPECT_EQ(expired, 0);
}

TEST_F(CAbiTest, AThrowingCallbackEndsDispatchWithAnError) {
  wakeline_app_on_woken(
      app, [](wakeline_wake_cause_t, void*) { throw std::runtime_error("not today"); }, nullptr);
  peer.send(host::Woken{.cause = host::WakeCause::kSocketData});
  EXPECT_EQ(wakeline_app_run(app), WAKELINE_ERROR_EXCEPTION);
  EXPECT_STREQ(wakeline_error_message(), "not today");
  EXPECT_STREQ(wakeline_error_name(WAKELINE_ERROR_EXCEPTION), "exception");
  int cause = -1;
  wakeline_app_on_woken(
      app, [](wakeline_wake_cause_t told, void* user) { *static_cast<int*>(user) = told; }, &cause);
  peer.send(host::Woken{.cause = host::WakeCause::kNetwork});
  EXPECT_TRUE(await([&] { return cause == WAKELINE_WAKE_NETWORK; }));
}

TEST_F(CAbiTest, KeepAliveIsReplacedToldAndCleared) {
  int former = 0;
  int later = 0;
  bool replaced = true;
  EXPECT_EQ(wakeline_app_set_keep_alive_timeout(app, 599, count, &former, &replaced),
            WAKELINE_ERROR_TOO_SHORT);
  EXPECT_EQ(wakeline_app_set_keep_alive_timeout(app, 600, nullptr, nullptr, nullptr),
            WAKELINE_ERROR_NO_HANDLER);
  ASSERT_EQ(wakeline_app_set_keep_alive_timeout(app, 600, count, &former, &replaced), WAKELINE_OK);
  EXPECT_FALSE(replaced);
  ASSERT_EQ(wakeline_app_set_keep_alive_timeout(app, 900, count, &later, &replaced), WAKELINE_OK);
  EXPECT_TRUE(replaced);
  peer.send(host::RunKeepAlive{});
  EXPECT_TRUE(await([&] { return later == 1; }));
  peer.send(host::RunKeepAlive{});
  pollfd waited{fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waited, 1, 10'000), 1);
  EXPECT_EQ(wakeline_app_clear_keep_alive_timeout(app), WAKELINE_OK);
  EXPECT_EQ(wakeline_app_dispatch(app, nullptr), WAKELINE_OK);
  EXPECT_EQ(later, 1);
  EXPECT_EQ(former, 0);
}

TEST_F(CAbiTest, NotifiesAndTellsTheResponse) {
  peer.answer_with([](const host::Message&, host::RequestId request) {
    return host::Reply{request, base::ErrorCode::kOk, {}, 41};
  });
  const wakeline_action_t actions[] = {{"answer", "Answer"}, {"decline", "Decline"}};
  wakeline_notification_t notification = WAKELINE_NOTIFICATION_INIT;
  std::uint64_t number = 0;
  EXPECT_EQ(wakeline_app_notify(app, &notification, &number), WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(wakeline_error_message(), "a notification needs a title");
  notification.title = "Call";
  notification.payload = "line 7";
  notification.actions = actions;
  notification.action_count = 5;
  EXPECT_EQ(wakeline_app_notify(app, &notification, &number), WAKELINE_ERROR_INVALID_ARGUMENT);
  notification.action_count = 2;
  notification.urgency = 3;
  EXPECT_EQ(wakeline_app_notify(app, &notification, &number), WAKELINE_ERROR_INVALID_ARGUMENT);
  notification.urgency = WAKELINE_URGENCY_LOW;
  ASSERT_EQ(wakeline_app_notify(app, &notification, &number), WAKELINE_OK);
  EXPECT_EQ(number, 41U);
  const auto heard = peer.take(1);
  const auto& sent = std::get<host::Notify>(heard.at(0)).notification;
  EXPECT_EQ(sent.title, "Call");
  EXPECT_EQ(sent.urgency, host::Urgency::kLow);
  EXPECT_EQ(sent.actions.size(), 2U);

  std::string told;
  wakeline_app_on_notification_response(
      app,
      [](const wakeline_notification_response_t* response, void* user) {
        *static_cast<std::string*>(user) = std::to_string(response->notification) + " " +
                                           response->action + " " + response->payload + " " +
                                           response->activation_token;
      },
      &told);
  host::NotificationActivated activated;
  activated.notification = 41;
  activated.action = "answer";
  activated.payload = "line 7";
  activated.activation_token = "t";
  peer.send(activated);
  EXPECT_TRUE(await([&] { return told == "41 answer line 7 t"; })) << told;
}

TEST_F(CAbiTest, HandsOverAPushOnceAndNotWhenTheCallbackThrew) {
  wakeline_push_client_t* client = create_client(false);
  struct Seen {
    int calls = 0;
    std::string text = {};
  } seen;
  wakeline_push_client_on_push(
      client,
      [](const wakeline_push_t* push, void* user) {
        auto& its = *static_cast<Seen*>(user);
        if (++its.calls == 1) throw 7;
        its.text = std::string(push->title.data, push->title.size) + " " + push->data.data + " " +
                   push->urgency.data + " " + std::to_string(push->sequence);
      },
      &seen);
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  ASSERT_TRUE(await_ready(client));
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"CONNECT"});
  broker.push(1, 10, "first");
  EXPECT_EQ(wakeline_app_run(app), WAKELINE_ERROR_EXCEPTION);
  EXPECT_STREQ(wakeline_error_message(), "an exception that is no std::exception");
  broker.push(2, 11, "ring");
  ASSERT_TRUE(await([&] { return seen.calls == 2; }));
  EXPECT_EQ(seen.text, "ring 7 high 2");
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"PUBACK"});
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);
  EXPECT_EQ(wakeline_push_client_stop(client), WAKELINE_ERROR_HANDLE);
}

TEST_F(CAbiTest, AcceptsByHand) {
  wakeline_push_client_t* client = create_client(true);
  std::uint64_t id = 0;
  wakeline_push_client_on_push(
      client,
      [](const wakeline_push_t* push, void* user) {
        *static_cast<std::uint64_t*>(user) = push->id;
      },
      &id);
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  ASSERT_TRUE(await_ready(client));
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"CONNECT"});
  broker.push(1, 10, "ring");
  ASSERT_TRUE(await([&] { return id != 0; }));
  EXPECT_EQ(broker.heard(), 0U);
  EXPECT_EQ(wakeline_push_client_accept(client, id), WAKELINE_OK);
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"PUBACK"});
  wakeline_sealing_keys_t keys = WAKELINE_SEALING_KEYS_INIT;
  ASSERT_EQ(wakeline_push_client_sealing_keys(client, &keys), WAKELINE_OK);
  EXPECT_EQ(std::string(keys.p256dh).size(), 87U);
  EXPECT_EQ(std::string(keys.auth).size(), 22U);
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);
}

/// What a test was told of its messages.
struct Told {
  int calls = 0;
  std::vector<std::string> lines = {};
};

void on_outcome(const wakeline_outcome_t* outcome, void* user) {
  auto& told = *static_cast<Told*>(user);
  ++told.calls;
  EXPECT_EQ(outcome->struct_size, sizeof *outcome);
  told.lines.push_back(std::string(outcome->key) + " " +
                       wakeline_send_result_name(outcome->result) +
                       (outcome->maybe_received ? " maybe " : " ") + outcome->detail);
}

TEST_F(CAbiTest, SendsAMessageWithAllItsPartsAndTellsItsOutcomeOnce) {
  wakeline_push_client_t* client = create_client(false);
  Told told;
  ASSERT_EQ(wakeline_push_client_on_outcome(client, on_outcome, &told), WAKELINE_OK);
  wakeline_message_t message = WAKELINE_MESSAGE_INIT;
  char key[WAKELINE_KEY_SIZE] = "";
  message.body = "y\0s";
  message.body_size = 3;
  message.correlation = "ring 7";
  message.correlation_size = 6;
  message.content_type = "text/plain";
  message.kind = WAKELINE_MESSAGE_RECEIPT;
  EXPECT_EQ(wakeline_push_client_send(client, &message, key, sizeof key - 1),
            WAKELINE_ERROR_BUFFER);
  message.kind = 3;
  EXPECT_EQ(wakeline_push_client_send(client, &message, nullptr, 0),
            WAKELINE_ERROR_INVALID_ARGUMENT);
  message.kind = WAKELINE_MESSAGE_RECEIPT;
  std::size_t waiting = 9;
  EXPECT_EQ(wakeline_push_client_outbox_size(client, &waiting), WAKELINE_OK);
  EXPECT_EQ(waiting, 0U) << "what was refused is not in it";
  ASSERT_EQ(wakeline_push_client_send(client, &message, key, sizeof key), WAKELINE_OK)
      << wakeline_error_message();
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  ASSERT_TRUE(await([&] { return told.calls == 1; }));
  EXPECT_EQ(told.lines.front(), std::string(key) + " sent ");
  const auto published = broker.published();
  ASSERT_EQ(published.size(), 1U);
  EXPECT_EQ(published[0].topic, "wakeline/receipt/door");
  EXPECT_EQ(base::as_text(published[0].payload), std::string_view("y\0s", 3));

  broker.answer_publish_with(mqtt::Reason::kNotAuthorized);
  message.key = "mine";
  ASSERT_EQ(wakeline_push_client_send(client, &message, key, sizeof key), WAKELINE_OK);
  EXPECT_STREQ(key, "mine");
  ASSERT_TRUE(await([&] { return told.calls == 2; }));
  EXPECT_TRUE(told.lines.back().starts_with("mine refused ")) << told.lines.back();
  EXPECT_TRUE(await([&] {
    wakeline_push_client_outbox_size(client, &waiting);
    return waiting == 0;
  }));
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);
}

TEST_F(CAbiTest, TellsAnOutcomeAgainInTheNextRunWhenTheCallbackThrew) {
  wakeline_push_client_t* client = create_client(false);
  ASSERT_EQ(wakeline_push_client_on_outcome(
                client, [](const wakeline_outcome_t*, void*) { throw std::runtime_error("no"); },
                nullptr),
            WAKELINE_OK);
  wakeline_message_t message = WAKELINE_MESSAGE_INIT;
  message.key = "mine";
  ASSERT_EQ(wakeline_push_client_send(client, &message, nullptr, 0), WAKELINE_OK);
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  EXPECT_EQ(wakeline_app_run(app), WAKELINE_ERROR_EXCEPTION);
  EXPECT_STREQ(wakeline_error_message(), "no");
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);

  client = create_client(false);
  Told told;
  ASSERT_EQ(wakeline_push_client_on_outcome(client, on_outcome, &told), WAKELINE_OK);
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  ASSERT_TRUE(await([&] { return told.calls == 1; }));
  EXPECT_EQ(told.lines.front(), "mine sent ");
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);
}

TEST_F(CAbiTest, AsksForQuietInWordsThatAreKnown) {
  wakeline_push_client_t* client = create_client(false);
  EXPECT_EQ(wakeline_push_client_set_lowest_urgency(client, 4), WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(wakeline_push_client_set_lowest_urgency(client, -1), WAKELINE_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(wakeline_push_client_set_lowest_urgency(client, WAKELINE_PUSH_URGENCY_HIGH),
            WAKELINE_OK);
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  ASSERT_TRUE(await_ready(client));
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"CONNECT"});
  EXPECT_EQ(broker.asked_urgency(), "high");
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);
}

TEST_F(CAbiTest, TellsOfPushesThatNeverComeBeforeTheOneThatShowsIt) {
  wakeline_push_client_t* client = create_client(false);
  std::vector<std::string> order;
  ASSERT_EQ(wakeline_push_client_on_missed(
                client,
                [](const wakeline_missed_t* missed, void* user) {
                  EXPECT_EQ(missed->struct_size, sizeof *missed);
                  static_cast<std::vector<std::string>*>(user)->push_back(
                      std::to_string(missed->first) + " to " + std::to_string(missed->last) + ": " +
                      std::to_string(missed->count));
                },
                &order),
            WAKELINE_OK);
  wakeline_push_client_on_push(
      client,
      [](const wakeline_push_t* push, void* user) {
        static_cast<std::vector<std::string>*>(user)->push_back(push->title.data);
      },
      &order);
  ASSERT_EQ(wakeline_push_client_start(client), WAKELINE_OK);
  ASSERT_TRUE(await_ready(client));
  broker.push(1, 10, "first");
  broker.push(5, 11, "second");
  ASSERT_TRUE(await([&] { return order.size() == 3; }));
  EXPECT_EQ(order, (std::vector<std::string>{"first", "2 to 4: 3", "second"}));
  // Without a callback nobody is told, and the pushes come as before.
  ASSERT_EQ(wakeline_push_client_on_missed(client, nullptr, nullptr), WAKELINE_OK);
  broker.push(9, 12, "third");
  ASSERT_TRUE(await([&] { return order.size() == 4; }));
  EXPECT_EQ(order.back(), "third");
  EXPECT_EQ(wakeline_push_client_free(client), WAKELINE_OK);
}

TEST_F(CAbiTest, StructsOfOtherVersionsAreReadByTheirSize) {
  struct Newer {
    wakeline_app_options_t known = WAKELINE_APP_OPTIONS_INIT;
    const char* more = nullptr;
  } newer;
  newer.known.struct_size = sizeof newer;
  newer.known.host_path = "/nowhere";
  wakeline_app_t* other = nullptr;
  EXPECT_EQ(wakeline_app_create(&newer.known, &other), WAKELINE_OK);
  EXPECT_EQ(wakeline_app_free(other), WAKELINE_OK);
  newer.more = "something new";
  EXPECT_EQ(wakeline_app_create(&newer.known, &other), WAKELINE_ERROR_UNSUPPORTED);
  newer.known.struct_size = 0;
  EXPECT_EQ(wakeline_app_create(&newer.known, &other), WAKELINE_ERROR_INVALID_ARGUMENT);

  struct Larger {
    wakeline_host_info_t known = WAKELINE_HOST_INFO_INIT;
    int more = 5;
  } larger;
  larger.known.struct_size = sizeof larger;
  ASSERT_EQ(wakeline_app_host(app, &larger.known), WAKELINE_OK);
  EXPECT_EQ(larger.more, 5);
  larger.known.struct_size = 8;
  EXPECT_EQ(wakeline_app_host(app, &larger.known), WAKELINE_ERROR_INVALID_ARGUMENT);
}

TEST_F(CAbiTest, StopEndsRunFromAnotherThread) {
  std::thread other([this] { EXPECT_EQ(wakeline_app_stop(app), WAKELINE_OK); });
  EXPECT_EQ(wakeline_app_run(app), WAKELINE_OK);
  other.join();
}

TEST(CAbi, NamesEveryErrorAndNothingElse) {
  EXPECT_STREQ(wakeline_error_name(WAKELINE_OK), "ok");
  EXPECT_STREQ(wakeline_error_name(WAKELINE_ERROR_TOO_SHORT), "too_short");
  EXPECT_STREQ(wakeline_error_name(WAKELINE_ERROR_NO_HOST), "no_host");
  for (const int code : {-1, 63, 66, 127, 132}) EXPECT_STREQ(wakeline_error_name(code), "unknown");
  EXPECT_STREQ(wakeline_wake_cause_name(99), "unknown");
  EXPECT_STREQ(wakeline_version(), WAKELINE_VERSION);
}

}  // namespace
}  // namespace wakeline::app::test
