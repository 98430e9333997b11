// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>
#include <wakeline/app.h>

#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_socket.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace wakeline::adapters {

/// Tags the connection of a Boost.Asio TCP socket (C36); below TLS: `stream.lowest_layer()`.
/// Errors: as App::tag.
template <class Protocol, class Executor>
Result<Tag> tag(App& app, boost::asio::basic_socket<Protocol, Executor>& socket) {
  return app.tag(socket.native_handle());
}

/// Runs the handlers of an App or a RunLoop (`Source`) in an io_context, for as long as it lives.
/// Threads: the context's; with several of them give a strand. Lifetime: `source` outlives it; it
/// may be destroyed in one of those handlers. It keeps `io_context::run` from ending.
template <class Source>
class AsioDispatch {
 public:
  /// Begins. Throws boost::system::system_error where there are no descriptors.
  AsioDispatch(const boost::asio::any_io_executor& executor, Source& source)
      : state_(std::make_shared<State>(executor, source)) {
    // A duplicate, so that each side closes its own.
    state_->descriptor.assign(::dup(source.fd()));
    state_->wait();
  }
  AsioDispatch(const AsioDispatch&) = delete;
  AsioDispatch& operator=(const AsioDispatch&) = delete;
  ~AsioDispatch() {
    state_->over = true;
    boost::system::error_code ignored;
    state_->descriptor.close(ignored);
  }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(const boost::asio::any_io_executor& executor, Source& from)
        : source(from), descriptor(executor) {}
    void wait() {
      descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                            [self = this->shared_from_this()](boost::system::error_code error) {
                              if (error || self->over) return;
                              // Also when a handler throws, as Asio's own handlers may.
                              const std::shared_ptr<void> again(nullptr, [&self](void*) {
                                if (!self->over) self->wait();
                              });
                              self->source.dispatch();
                            });
    }
    Source& source;
    boost::asio::posix::stream_descriptor descriptor;
    bool over = false;
  };

  std::shared_ptr<State> state_;
};

}  // namespace wakeline::adapters
