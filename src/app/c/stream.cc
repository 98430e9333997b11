// SPDX-License-Identifier: Apache-2.0
#include <wakeline/stream.h>
#include <wakeline/wakeline.h>

#include "app/c/boundary.h"
#include "app/c/objects.h"
#include "app/c/run_loop.h"

namespace wakeline::app::c {
namespace {

static_assert(static_cast<int>(StreamEvent::kEndEncountered) == WAKELINE_STREAM_END_ENCOUNTERED);
static_assert(static_cast<int>(StreamState::kClosed) == WAKELINE_STREAM_STATE_CLOSED);
static_assert(static_cast<int>(ServiceType::kVoip) == WAKELINE_SERVICE_VOIP);

constexpr std::size_t kTlsOptionsFirst = 24;

struct StreamObject {
  StreamPair stream;
  std::shared_ptr<LoopObject> loop;  ///< of the open stream, which it outlives
};
using Streams = Handles<wakeline_stream_t, StreamObject, Kind::kStream>;

wakeline_error_t done(const Result<void>& result) {
  return result ? WAKELINE_OK : fail(result.error());
}

wakeline_error_t done(const Result<std::size_t>& result, std::size_t* count) {
  if (!result) return fail(result.error());
  *count = *result;
  return WAKELINE_OK;
}

wakeline_error_t add(Result<StreamPair> made, wakeline_stream_t** stream) {
  if (!made) return fail(made.error());
  *stream = Streams::add(std::make_shared<StreamObject>(std::move(*made), nullptr));
  return WAKELINE_OK;
}

}  // namespace
}  // namespace wakeline::app::c

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

extern "C" {

const char* wakeline_stream_event_name(wakeline_stream_event_t event) {
  if (event < WAKELINE_STREAM_OPEN_COMPLETED || event > WAKELINE_STREAM_END_ENCOUNTERED)
    return "unknown";
  return wakeline::name(static_cast<wakeline::StreamEvent>(event)).data();  // a literal
}

const char* wakeline_stream_state_name(wakeline_stream_state_t state) {
  if (state < WAKELINE_STREAM_STATE_NOT_OPEN || state > WAKELINE_STREAM_STATE_CLOSED)
    return "unknown";
  return wakeline::name(static_cast<wakeline::StreamState>(state)).data();  // a literal
}

wakeline_error_t wakeline_stream_to_host(wakeline_app_t* app, const char* host, uint16_t port,
                                         wakeline_stream_t** stream) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (host == nullptr) return fail_null("host");
    if (stream == nullptr) return fail_null("stream");
    return add(wakeline::StreamPair::to_host(object.app, host, port), stream);
  });
}

wakeline_error_t wakeline_stream_over_socket(wakeline_app_t* app, int fd, bool close_it,
                                             wakeline_stream_t** stream) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (stream == nullptr) return fail_null("stream");
    const auto owner = close_it ? wakeline::SocketOwner::kStream : wakeline::SocketOwner::kApp;
    return add(wakeline::StreamPair::over_socket(object.app, fd, owner), stream);
  });
}

wakeline_error_t wakeline_stream_free(wakeline_stream_t* stream) {
  return end<Streams>(stream, "stream", [](StreamObject& object) { object.stream.close(); });
}

wakeline_error_t wakeline_stream_set_service_type(wakeline_stream_t* stream,
                                                  wakeline_service_type_t type) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) -> wakeline_error_t {
    if (type != WAKELINE_SERVICE_DEFAULT && type != WAKELINE_SERVICE_VOIP)
      return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "type: no WAKELINE_SERVICE_…");
    return done(object.stream.set_service_type(static_cast<wakeline::ServiceType>(type)));
  });
}

wakeline_error_t wakeline_stream_use_tls(wakeline_stream_t* stream,
                                         const wakeline_tls_options_t* options) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) -> wakeline_error_t {
    wakeline_tls_options_t given = WAKELINE_TLS_OPTIONS_INIT;
    if (options != nullptr) {
      if (const auto bad = read_struct(options, kTlsOptionsFirst, "options", given)) return bad;
    }
    return done(object.stream.use_tls({.name = std::string(text_or_empty(given.name)),
                                       .ca_file = std::string(text_or_empty(given.ca_file))}));
  });
}

wakeline_error_t wakeline_stream_set_open_timeout(wakeline_stream_t* stream, int64_t timeout_ms) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) {
    return done(object.stream.set_open_timeout(std::chrono::milliseconds(timeout_ms)));
  });
}

wakeline_error_t wakeline_stream_open(wakeline_stream_t* stream, wakeline_run_loop_t* loop,
                                      wakeline_stream_handler_t handler, void* user) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) -> wakeline_error_t {
    const auto its_loop = Loops::find(loop);
    if (!its_loop) return fail_handle("loop");
    wakeline::StreamPair::Handler made;
    if (handler != nullptr) {
      made = [live = its_loop->live, handler, user](wakeline::StreamEvent event) {
        if (!*live) throw LoopFreed{};
        handler(static_cast<wakeline_stream_event_t>(event), user);
      };
    }
    const auto opened = object.stream.open(its_loop->loop, std::move(made));
    if (opened) object.loop = its_loop;
    return done(opened);
  });
}

wakeline_error_t wakeline_stream_close(wakeline_stream_t* stream) {
  return with<Streams>(stream, "stream", [](StreamObject& object) {
    object.stream.close();
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_stream_read(wakeline_stream_t* stream, void* into, size_t size,
                                      size_t* got) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) -> wakeline_error_t {
    if (into == nullptr && size > 0) return fail_null("into");
    if (got == nullptr) return fail_null("got");
    return done(object.stream.read(into, size), got);
  });
}

wakeline_error_t wakeline_stream_write(wakeline_stream_t* stream, const void* bytes, size_t size,
                                       size_t* took) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) -> wakeline_error_t {
    if (bytes == nullptr && size > 0) return fail_null("bytes");
    if (took == nullptr) return fail_null("took");
    return done(object.stream.write({static_cast<const char*>(bytes), size}), took);
  });
}

wakeline_error_t wakeline_stream_state(wakeline_stream_t* stream, wakeline_stream_state_t* state) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) {
    return give(state, static_cast<wakeline_stream_state_t>(object.stream.state()), "state");
  });
}

wakeline_error_t wakeline_stream_error(wakeline_stream_t* stream) {
  return with<Streams>(stream, "stream", [](StreamObject& object) {
    const auto error = object.stream.error();
    return error ? fail(*error) : WAKELINE_OK;
  });
}

wakeline_error_t wakeline_stream_fd(wakeline_stream_t* stream, int* fd) {
  return with<Streams>(stream, "stream",
                       [&](StreamObject& object) { return give(fd, object.stream.fd(), "fd"); });
}

wakeline_error_t wakeline_stream_tagged(wakeline_stream_t* stream) {
  return with<Streams>(stream, "stream",
                       [](StreamObject& object) { return done(object.stream.tagged()); });
}

wakeline_error_t wakeline_stream_is_wake_capable(wakeline_stream_t* stream, bool* capable) {
  return with<Streams>(stream, "stream", [&](StreamObject& object) {
    return give(capable, object.stream.is_wake_capable(), "capable");
  });
}

}  // extern "C"
