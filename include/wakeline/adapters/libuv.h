// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <uv.h>
#include <wakeline/app.h>

#include <string>

namespace wakeline::adapters {

/// Tags the connection of a libuv TCP handle, once it is connected (C36).
/// Errors: as App::tag; kNotSocket where the handle has no socket.
inline Result<Tag> tag(App& app, const uv_tcp_t& tcp) {
  uv_os_fd_t fd = -1;
  const int error = uv_fileno(reinterpret_cast<const uv_handle_t*>(&tcp), &fd);
  if (error != 0) return Error{ErrorCode::kNotSocket, std::string("libuv: ") + uv_strerror(error)};
  return app.tag(fd);
}

/// Runs the handlers of an App or a RunLoop (`Source`) in a libuv loop, for as long as it lives. No
/// exception of theirs passes: libuv is C, so the program ends by std::terminate.
/// Threads: the loop's. Lifetime: `source` outlives it; it may be destroyed in one of those
/// handlers. It does not keep `uv_run` from ending.
template <class Source>
class UvDispatch {
 public:
  /// Begins; `running` says whether it did.
  UvDispatch(uv_loop_t* loop, Source& source) : handle_(new Handle{{}, &source}) {
    handle_->poll.data = handle_;
    if (uv_poll_init(loop, &handle_->poll, source.fd()) != 0) {
      delete handle_;
      handle_ = nullptr;
      return;
    }
    uv_poll_start(&handle_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) noexcept {
      static_cast<Handle*>(poll->data)->source->dispatch();
    });
    uv_unref(reinterpret_cast<uv_handle_t*>(&handle_->poll));
  }
  UvDispatch(const UvDispatch&) = delete;
  UvDispatch& operator=(const UvDispatch&) = delete;
  ~UvDispatch() {
    if (handle_ == nullptr) return;
    uv_poll_stop(&handle_->poll);
    // libuv gives it back in its next turn.
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll),
             [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
  }
  /// False: the loop would not watch it.
  bool running() const { return handle_ != nullptr; }

 private:
  struct Handle {
    uv_poll_t poll;
    Source* source;
  };
  Handle* handle_;
};

}  // namespace wakeline::adapters
