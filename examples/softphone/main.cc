// SPDX-License-Identifier: Apache-2.0
//
// A softphone: suspended all day, it rings when its registrar passes a call on.
//
//   softphone USER@ADDRESS:PORT [KEY=VALUE...]    the password is in SOFTPHONE_PASSWORD
//     transport=tcp|tls   how it speaks to its registrar; ca=FILE: whom it trusts with tls, instead
//     of the system keep_alive=600      seconds: its registration is renewed so often, and lives
//     three times as long ring_age_ms=32000   an INVITE that waited longer is not shown
//
// Exit codes: 0 it was asked to end (SIGINT, SIGTERM); 2 wrong arguments; 3 the account cannot be
// used; 4 the system gave no thread or descriptor.
#include <wakeline/app.h>

#include <csignal>
#include <iostream>
#include <optional>

#include "arguments.h"
#include "phone.h"

namespace {

using namespace std::chrono_literals;
using wakeline::CallState;

void say(const std::string& line) { std::cout << "softphone: " << line << '\n' << std::flush; }

/// The phone as an app: what keeps it awake, what wakes it, what the user sees.
class PhoneApp {
 public:
  PhoneApp(wakeline::App& app, const Arguments& arguments)
      : app_(app), keep_alive_(arguments.keep_alive), phone_(arguments.account, events()) {}

  bool start() {
    if (!phone_.ok()) return false;
    app_.on_woken([](wakeline::WakeCause cause) { say("woken by " + std::string(name(cause))); });
    app_.on_notification_response([this](const auto& response) { act(response.action); });
    app_.on_call_state([this](CallState state) { yield(state); });
    app_.on_network_changed([this](const auto&) { sign_in(); });
    const auto kept = app_.set_keep_alive_timeout(keep_alive_, [this] { sign_in(); });
    if (!kept) say("no keep-alive: " + kept.error().message);
    sign_in();
    return true;
  }

 private:
  PhoneEvents events() {
    return {.on_signed_in = [this](int fd) { signed_in(fd); },
            .on_line_lost = [this](const std::string& why) { line_lost(why); },
            .on_ring = [this](const std::string& from) { ring(from); },
            .on_talk =
                [this] {
                  say("talking");
                  yield(app_.call_state());
                },
            .on_end = [this](const std::string& why) { ended(why); },
            .on_say = say};
  }

  /// Not suspended until the registrar has answered.
  void sign_in() {
    auto task = app_.begin_background_task("sign in", [this] { signing_in_.reset(); });
    if (task) signing_in_ = std::move(*task);
    phone_.sign_in();
  }

  void signed_in(int fd) {
    signing_in_.reset();
    retry_ = {};
    // One line: this connection is worth waking for, until it ends.
    const auto tagged = app_.enable_backgrounding(fd);
    say(tagged ? "signed in" : "signed in; the connection wakes nobody: " + tagged.error().message);
  }

  void line_lost(const std::string& why) {
    say("line lost: " + why);
    signing_in_.reset();
    auto wake = app_.request_wake(1s, 5s, [this] { sign_in(); });
    if (wake) retry_ = std::move(*wake);
    if (!wake)
      tmr_start(
          &retry_timer_, 2'000, [](void* self) { static_cast<PhoneApp*>(self)->sign_in(); }, this);
  }

  void ring(const std::string& from) {
    say("ringing: " + from);
    caller_ = from;
    show("Call from " + from, "call.incoming", wakeline::NotificationUrgency::kCritical,
         {{"answer", "Answer"}, {"decline", "Decline"}});
  }

  void act(const std::string& action) {
    if (action == "answer") {
      // Before the sound begins: from here on it is not suspended (C29).
      auto session = app_.begin_audio_session();
      if (session) audio_ = std::move(*session);
      if (!session) say("no audio session: " + session.error().message);
      phone_.answer();
    } else if (action == "decline") {
      phone_.decline();
    } else if (action == "hang_up") {
      phone_.hang_up();
    }
  }

  /// A cellular call goes before ours (C30).
  void yield(CallState state) {
    if (!phone_.in_call() || held_ == (state == CallState::kActive)) return;
    held_ = state == CallState::kActive;
    say(held_ ? "on hold" : "back from hold");
    phone_.hold(held_);
  }

  void ended(const std::string& why) {
    say("call ended: " + why);
    audio_.reset();
    held_ = false;
    show("Call from " + caller_ + " ended", "call.ended", wakeline::NotificationUrgency::kLow, {});
  }

  void show(const std::string& title, const std::string& category,
            wakeline::NotificationUrgency urgency,
            std::vector<wakeline::NotificationAction> actions) {
    const auto shown = app_.notify({.title = title,
                                    .category = category,
                                    .tag = "call",  // the later one takes the place of the former
                                    .urgency = urgency,
                                    .actions = std::move(actions)});
    if (!shown) say("not shown: " + shown.error().message);
  }

  wakeline::App& app_;
  std::chrono::seconds keep_alive_;
  std::optional<wakeline::BackgroundTask> signing_in_;
  std::optional<wakeline::AudioSession> audio_;
  wakeline::WakeRequest retry_;
  tmr retry_timer_{};
  std::string caller_;
  bool held_ = false;
  Phone phone_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse_arguments(argc, argv);
  if (!arguments) {
    std::cerr << "usage: SOFTPHONE_PASSWORD=… softphone USER@ADDRESS:PORT [transport=tcp|tls] "
                 "[ca=FILE] [keep_alive=SECONDS] [ring_age_ms=MS]\n";
    return 2;
  }
  auto app = wakeline::App::create();
  if (!app || libre_init() != 0) {
    std::cerr << "softphone: " << (app ? "libre does not start" : app.error().message) << '\n';
    return 4;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto host = app->host();
  say("launched" + (host ? std::string() : "; " + host.error().message));
  int code = 0;
  {
    PhoneApp phone(*app, *arguments);
    // libre has the loop; what the host says becomes readable there.
    const auto on_app = [](int /*flags*/, void* self) {
      static_cast<wakeline::App*>(self)->dispatch();
    };
    if (!phone.start()) {
      std::cerr << "softphone: the account cannot be used\n";
      code = 3;
    } else if (fd_listen(app->fd(), FD_READ, on_app, &*app) != 0) {
      code = 4;
    } else {
      re_main([](int /*signal*/) { re_cancel(); });
      fd_close(app->fd());
      say("ends");
    }
  }
  libre_close();
  return code;
}
