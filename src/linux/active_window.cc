// SPDX-License-Identifier: Apache-2.0
#include "linux/active_window.h"

#include <xcb/xcb.h>
#include <xcb/xcbext.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "linux/fd_watch.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

template <class T>
struct Free {
  void operator()(T* object) const { std::free(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Free<T>>;

struct Disconnect {
  void operator()(xcb_connection_t* connection) const { ::xcb_disconnect(connection); }
};

/// An answer that is awaited, so that a slow X server never makes the host wait.
enum class Question { kNone, kWindow, kProcess };

class XcbWatch final : public ActiveWindow {
 public:
  XcbWatch(OnChange on_change, std::function<void()> on_lost)
      : on_change_(std::move(on_change)), on_lost_(std::move(on_lost)) {}

  base::Result<void> start(io::Loop& loop, const std::string& display) {
    int number = 0;
    connection_.reset(::xcb_connect(display.empty() ? nullptr : display.c_str(), &number));
    if (::xcb_connection_has_error(connection_.get()) != 0) {
      return base::fail(ErrorCode::kUnreachable, "X server");
    }
    auto screen = ::xcb_setup_roots_iterator(::xcb_get_setup(connection_.get()));
    for (; number > 0 && screen.rem > 1; --number) ::xcb_screen_next(&screen);
    root_ = screen.data->root;
    active_ = atom("_NET_ACTIVE_WINDOW");
    process_ = atom("_NET_WM_PID");
    const std::uint32_t events = XCB_EVENT_MASK_PROPERTY_CHANGE;
    ::xcb_change_window_attributes(connection_.get(), root_, XCB_CW_EVENT_MASK, &events);
    auto watch =
        FdWatch::create(loop, ::xcb_get_file_descriptor(connection_.get()), [this] { on_ready(); });
    if (!watch) return base::fail(watch.error());
    watch_ = std::move(*watch);
    ask_for_window();
    // What came beside the answers above lies in a queue of the library already.
    on_ready();
    return {};
  }

 private:
  /// Blocks for one answer; only while connecting.
  xcb_atom_t atom(std::string_view name) {
    const auto cookie = ::xcb_intern_atom(connection_.get(), 0,
                                          static_cast<std::uint16_t>(name.size()), name.data());
    const Owned<xcb_intern_atom_reply_t> reply(
        ::xcb_intern_atom_reply(connection_.get(), cookie, nullptr));
    return reply ? reply->atom : xcb_atom_t{XCB_ATOM_NONE};
  }

  void ask(Question question, xcb_window_t window, xcb_atom_t property) {
    question_ = question;
    cookie_ =
        ::xcb_get_property(connection_.get(), 0, window, property, XCB_GET_PROPERTY_TYPE_ANY, 0, 1);
    ::xcb_flush(connection_.get());
  }
  void ask_for_window() {
    again_ = question_ != Question::kNone;
    if (!again_) ask(Question::kWindow, root_, active_);
  }

  void on_ready() {
    while (const Owned<xcb_generic_event_t> event{::xcb_poll_for_event(connection_.get())}) {
      if ((event->response_type & 0x7f) != XCB_PROPERTY_NOTIFY) continue;
      if (reinterpret_cast<const xcb_property_notify_event_t&>(*event).atom == active_) {
        ask_for_window();
      }
    }
    while (question_ != Question::kNone && take_answer()) continue;
    if (::xcb_connection_has_error(connection_.get()) != 0) {
      watch_.reset();
      if (const auto lost = std::exchange(on_lost_, nullptr)) lost();
      return;
    }
    watch_->arm(true);
  }

  /// False: it is not there yet.
  bool take_answer() {
    void* found = nullptr;
    xcb_generic_error_t* error = nullptr;
    if (::xcb_poll_for_reply(connection_.get(), cookie_.sequence, &found, &error) == 0)
      return false;
    // An error: the window has gone meanwhile; another change follows.
    const Owned<xcb_generic_error_t> freed(error);
    const Owned<xcb_get_property_reply_t> reply(static_cast<xcb_get_property_reply_t*>(found));
    std::optional<std::uint32_t> value;
    if (reply && reply->format == 32 && ::xcb_get_property_value_length(reply.get()) >= 4) {
      value = *static_cast<const std::uint32_t*>(::xcb_get_property_value(reply.get()));
    }
    const Question answered = std::exchange(question_, Question::kNone);
    if (std::exchange(again_, false)) {
      ask_for_window();
    } else if (answered == Question::kWindow && value && *value != XCB_WINDOW_NONE) {
      ask(Question::kProcess, *value, process_);
    } else {
      tell(answered == Question::kProcess ? static_cast<pid_t>(value.value_or(0)) : 0);
    }
    return true;
  }

  void tell(pid_t pid) {
    if (told_ == pid) return;
    told_ = pid;
    on_change_(pid);
  }

  OnChange on_change_;
  std::function<void()> on_lost_;
  std::unique_ptr<xcb_connection_t, Disconnect> connection_;
  std::unique_ptr<FdWatch> watch_;  // before the connection, whose fd it watches
  xcb_window_t root_ = XCB_WINDOW_NONE;
  xcb_atom_t active_ = XCB_ATOM_NONE;
  xcb_atom_t process_ = XCB_ATOM_NONE;
  Question question_ = Question::kNone;
  xcb_get_property_cookie_t cookie_{};
  bool again_ = false;  ///< the window changed while an answer was awaited
  std::optional<pid_t> told_;
};

}  // namespace

base::Result<std::unique_ptr<ActiveWindow>> ActiveWindow::open(io::Loop& loop,
                                                               const std::string& display,
                                                               OnChange on_change,
                                                               std::function<void()> on_lost) {
  const char* const named = std::getenv("DISPLAY");
  if (display.empty() && (named == nullptr || *named == '\0')) {
    return base::fail(ErrorCode::kNotFound, "DISPLAY");
  }
  auto watch = std::make_unique<XcbWatch>(std::move(on_change), std::move(on_lost));
  if (auto started = watch->start(loop, display); !started) return base::fail(started.error());
  return watch;
}

}  // namespace wakeline::sys
