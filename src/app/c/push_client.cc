// SPDX-License-Identifier: Apache-2.0
#include <wakeline/push_client.h>
#include <wakeline/wakeline.h>

#include "app/c/boundary.h"
#include "app/c/objects.h"

namespace wakeline::app::c {
namespace {

static_assert(static_cast<int>(Sealing::kUnreadable) == WAKELINE_SEALING_UNREADABLE);
static_assert(static_cast<int>(LinkState::kReady) == WAKELINE_LINK_READY);

constexpr std::size_t kPushOptionsFirst = 72;
constexpr std::size_t kKeysFirst = 120;
constexpr std::size_t kMessageFirst = 80;
static_assert(static_cast<int>(MessageKind::kPresence) == WAKELINE_MESSAGE_PRESENCE);
static_assert(static_cast<int>(SendResult::kRefused) == WAKELINE_SEND_REFUSED);
static_assert(static_cast<int>(PushUrgency::kHigh) == WAKELINE_PUSH_URGENCY_HIGH);

struct PushObject {
  PushClient client;
  Live app;  ///< of the app in whose thread the handlers run
};
using PushClients = Handles<wakeline_push_client_t, PushObject, Kind::kPushClient>;

void set_where_given(std::string& value, const char* given) {
  if (given != nullptr && *given != '\0') value = given;
}

Result<PushClient::Options> to_options(const wakeline_push_options_t& given) {
  PushClient::Options options;
  if (given.credentials_file != nullptr && *given.credentials_file != '\0') {
    auto read = PushClient::Options::from_file(given.credentials_file);
    if (!read) return read.error();
    options = std::move(*read);
  }
  set_where_given(options.host, given.host);
  set_where_given(options.device, given.device);
  set_where_given(options.token, given.token);
  set_where_given(options.ca_file, given.ca_file);
  set_where_given(options.state_file, given.state_file);
  set_where_given(options.keys_file, given.keys_file);
  if (given.port != 0) options.port = given.port;
  options.tls = !given.plain;
  options.manual_accept = given.manual_accept;
  return options;
}

std::string bytes_of(const void* bytes, std::size_t size) {
  return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

wakeline_error_t to_message(const wakeline_message_t& given, Message& message) {
  if (given.body == nullptr && given.body_size > 0) return fail_null("body");
  if (given.correlation == nullptr && given.correlation_size > 0) return fail_null("correlation");
  if (given.kind < WAKELINE_MESSAGE_REPLY || given.kind > WAKELINE_MESSAGE_PRESENCE)
    return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "kind: no WAKELINE_MESSAGE_…");
  message.kind = static_cast<MessageKind>(given.kind);
  message.body = bytes_of(given.body, given.body_size);
  message.correlation = bytes_of(given.correlation, given.correlation_size);
  message.content_type = text_or_empty(given.content_type);
  message.topic = text_or_empty(given.topic);
  message.key = text_or_empty(given.key);
  if (given.time_to_live_s != 0) message.time_to_live = std::chrono::seconds(given.time_to_live_s);
  return WAKELINE_OK;
}

wakeline_text_t view(const std::string& text) { return {text.c_str(), text.size()}; }

void show_push(const Push& push, wakeline_push_handler_t handler, void* user) {
  const wakeline_push_t shown = {sizeof shown,       push.id,
                                 push.sequence,      view(push.title),
                                 view(push.body),    view(push.data),
                                 view(push.urgency), view(push.topic),
                                 view(push.payload), static_cast<wakeline_sealing_t>(push.sealing),
                                 push.maybe_seen};
  handler(&shown, user);
}

void show_status(const LinkStatus& status, wakeline_link_handler_t look, void* user) {
  const wakeline_link_status_t shown = {
      sizeof shown, static_cast<wakeline_link_state_t>(status.state), status.why.c_str(),
      status.detail.c_str(), status.retry_in ? std::int64_t{status.retry_in->count()} : -1};
  look(&shown, user);
}

}  // namespace
}  // namespace wakeline::app::c

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

extern "C" {

const char* wakeline_link_state_name(wakeline_link_state_t state) {
  if (state < WAKELINE_LINK_STOPPED || state > WAKELINE_LINK_READY) return "unknown";
  return wakeline::name(static_cast<wakeline::LinkState>(state)).data();  // a literal
}

const char* wakeline_send_result_name(wakeline_send_result_t result) {
  if (result < WAKELINE_SEND_SENT || result > WAKELINE_SEND_REFUSED) return "unknown";
  return wakeline::name(static_cast<wakeline::SendResult>(result)).data();  // a literal
}

wakeline_error_t wakeline_push_client_create(wakeline_app_t* app,
                                             const wakeline_push_options_t* options,
                                             wakeline_push_client_t** client) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (client == nullptr) return fail_null("client");
    wakeline_push_options_t given = WAKELINE_PUSH_OPTIONS_INIT;
    if (const auto bad = read_struct(options, kPushOptionsFirst, "options", given)) return bad;
    const auto chosen = to_options(given);
    if (!chosen) return fail(chosen.error());
    auto made = wakeline::PushClient::create(object.app, *chosen);
    if (!made) return fail(made.error());
    *client = PushClients::add(std::make_shared<PushObject>(std::move(*made), object.live));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_free(wakeline_push_client_t* client) {
  // Another thread's call may keep the client a moment longer: without handlers, so that nothing is
  // called, and no push counts as accepted, from now on.
  return end<PushClients>(client, "client", [](PushObject& object) {
    object.client.on_push({});
    object.client.on_state({});
    object.client.on_missed({});
    object.client.on_outcome({});
  });
}

wakeline_error_t wakeline_push_client_on_push(wakeline_push_client_t* client,
                                              wakeline_push_handler_t handler, void* user) {
  return with<PushClients>(client, "client", [&](PushObject& object) {
    std::function<void(const wakeline::Push&)> made;
    if (handler != nullptr) {
      made = [app = object.app, handler, user](const wakeline::Push& push) {
        if (!*app) throw AppFreed{};
        show_push(push, handler, user);
      };
    }
    object.client.on_push(std::move(made));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_on_state(wakeline_push_client_t* client,
                                               wakeline_link_handler_t handler, void* user) {
  return with<PushClients>(client, "client", [&](PushObject& object) {
    std::function<void(const wakeline::LinkStatus&)> made;
    if (handler != nullptr) {
      made = [app = object.app, handler, user](const wakeline::LinkStatus& status) {
        if (!*app) throw AppFreed{};
        show_status(status, handler, user);
      };
    }
    object.client.on_state(std::move(made));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_start(wakeline_push_client_t* client) {
  return with<PushClients>(client, "client", [](PushObject& object) {
    object.client.start();
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_stop(wakeline_push_client_t* client) {
  return with<PushClients>(client, "client", [](PushObject& object) {
    object.client.stop();
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_kick(wakeline_push_client_t* client) {
  return with<PushClients>(client, "client", [](PushObject& object) {
    object.client.kick();
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_set_lowest_urgency(wakeline_push_client_t* client,
                                                         wakeline_push_urgency_t lowest) {
  return with<PushClients>(client, "client", [lowest](PushObject& object) -> wakeline_error_t {
    if (lowest < WAKELINE_PUSH_URGENCY_VERY_LOW || lowest > WAKELINE_PUSH_URGENCY_HIGH)
      return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "lowest: no WAKELINE_PUSH_URGENCY_…");
    object.client.set_lowest_urgency(static_cast<wakeline::PushUrgency>(lowest));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_accept(wakeline_push_client_t* client, uint64_t id) {
  return with<PushClients>(client, "client", [id](PushObject& object) {
    object.client.accept(id);
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_on_missed(wakeline_push_client_t* client,
                                                wakeline_missed_handler_t handler, void* user) {
  return with<PushClients>(client, "client", [&](PushObject& object) {
    std::function<void(const wakeline::Missed&)> made;
    if (handler != nullptr) {
      made = [app = object.app, handler, user](const wakeline::Missed& missed) {
        if (!*app) throw AppFreed{};
        const wakeline_missed_t shown = {sizeof shown, missed.first, missed.last, missed.count};
        handler(&shown, user);
      };
    }
    object.client.on_missed(std::move(made));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_on_outcome(wakeline_push_client_t* client,
                                                 wakeline_outcome_handler_t handler, void* user) {
  return with<PushClients>(client, "client", [&](PushObject& object) {
    std::function<void(const wakeline::Outcome&)> made;
    if (handler != nullptr) {
      made = [app = object.app, handler, user](const wakeline::Outcome& outcome) {
        if (!*app) throw AppFreed{};
        const wakeline_outcome_t shown = {sizeof shown, outcome.key.c_str(), outcome.detail.c_str(),
                                          static_cast<wakeline_send_result_t>(outcome.result),
                                          outcome.maybe_received};
        handler(&shown, user);
      };
    }
    object.client.on_outcome(std::move(made));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_send(wakeline_push_client_t* client,
                                           const wakeline_message_t* message, char* key,
                                           size_t capacity) {
  return with<PushClients>(client, "client", [&](PushObject& object) -> wakeline_error_t {
    wakeline_message_t given = WAKELINE_MESSAGE_INIT;
    if (const auto bad = read_struct(message, kMessageFirst, "message", given)) return bad;
    wakeline::Message made;
    if (const auto bad = to_message(given, made)) return bad;
    if (key == nullptr && capacity > 0) return fail_null("key");
    if (key != nullptr && capacity < WAKELINE_KEY_SIZE)
      return fail(WAKELINE_ERROR_BUFFER, "key: WAKELINE_KEY_SIZE bytes are needed");
    const auto sent = object.client.send(made);
    if (!sent) return fail(sent.error());
    if (key != nullptr) key[sent->copy(key, WAKELINE_KEY_SIZE - 1)] = '\0';
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_outbox_size(wakeline_push_client_t* client, size_t* size) {
  return with<PushClients>(client, "client", [&](PushObject& object) {
    return give(size, object.client.outbox_size(), "size");
  });
}

wakeline_error_t wakeline_push_client_sealing_keys(wakeline_push_client_t* client,
                                                   wakeline_sealing_keys_t* keys) {
  return with<PushClients>(client, "client", [&](PushObject& object) -> wakeline_error_t {
    const auto made = object.client.sealing_keys();
    wakeline_sealing_keys_t filled = WAKELINE_SEALING_KEYS_INIT;
    if (made.p256dh.size() >= sizeof filled.p256dh || made.auth.size() >= sizeof filled.auth) {
      return fail(WAKELINE_ERROR_TOO_LARGE, "the keys are longer than RFC 8291 has them");
    }
    made.p256dh.copy(filled.p256dh, sizeof filled.p256dh);
    made.auth.copy(filled.auth, sizeof filled.auth);
    return write_struct(keys, kKeysFirst, "keys", filled);
  });
}

wakeline_error_t wakeline_push_client_status(wakeline_push_client_t* client,
                                             wakeline_link_handler_t look, void* user) {
  return with<PushClients>(client, "client", [&](PushObject& object) -> wakeline_error_t {
    if (look == nullptr) return fail_null("look");
    show_status(object.client.status(), look, user);
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_push_client_is_wake_capable(wakeline_push_client_t* client,
                                                      bool* capable) {
  return with<PushClients>(client, "client", [&](PushObject& object) {
    return give(capable, object.client.is_wake_capable(), "capable");
  });
}

}  // extern "C"
