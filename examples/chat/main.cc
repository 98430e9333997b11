// SPDX-License-Identifier: Apache-2.0
//
// A chat client that sleeps: XMPP by gloox, over a socket that wakes it.
//
//   CHAT_PASSWORD=… chat JID SERVER PORT SEEN_FILE [ca=FILE | plain]
//
// The stream must be encrypted (STARTTLS), and the certificate be one for the domain of JID that
// the system trusts, or FILE vouches for; with the word "plain" it is neither.
// SEEN_FILE remembers what was shown: a server sends again what was not acknowledged.
#include <gloox/client.h>
#include <gloox/connectionlistener.h>
#include <gloox/message.h>
#include <gloox/messagehandler.h>
#include <gloox/tlsbase.h>
#include <poll.h>
#include <wakeline/adapters/gloox.h>
#include <wakeline/app.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

volatile std::sig_atomic_t ending = 0;

void say(const std::string& line) { std::cout << "chat: " << line << '\n' << std::flush; }

/// The ids of the last messages, also over a restart.
class Seen {
 public:
  explicit Seen(std::string path) : path_(std::move(path)) {
    std::ifstream file(path_);
    for (std::string id; std::getline(file, id);) remember(std::move(id));
  }
  /// Whether it is there already; otherwise it is from now on.
  bool again(const std::string& id) {
    if (std::find(ids_.begin(), ids_.end(), id) != ids_.end()) return true;
    remember(id);
    if (++added_ < kMost && std::ofstream(path_, std::ios::app) << id << '\n') return false;
    // Written anew, as the last of them only.
    added_ = 0;
    std::ofstream file(path_ + ".new");
    for (const std::string& one : ids_) file << one << '\n';
    file.close();
    if (!file || std::rename((path_ + ".new").c_str(), path_.c_str()) != 0)
      say(path_ + " cannot be written");
    return false;
  }

 private:
  static constexpr std::size_t kMost = 500;

  void remember(std::string id) {
    ids_.push_back(std::move(id));
    if (ids_.size() > kMost) ids_.pop_front();
  }

  std::string path_;
  std::deque<std::string> ids_;
  std::size_t added_ = 0;  ///< lines of the file beyond the last rewriting
};

struct Account {
  std::string jid, password, server;
  int port = 5222;
  std::string seen_file;
  std::string ca_file;  ///< PEM, trusted beside what the system trusts; may be empty
  bool plain = false;
};

class Chat : gloox::ConnectionListener, gloox::MessageHandler {
 public:
  Chat(wakeline::App& app, const Account& account)
      : app_(app),
        client_(gloox::JID(account.jid), account.password),
        line_(new wakeline::adapters::GlooxConnection(app, client_, account.server, account.port)),
        ca_file_(account.ca_file),
        seen_(account.seen_file) {
    client_.setConnectionImpl(line_);  // takes it over
    client_.registerConnectionListener(this);
    client_.registerMessageHandler(this);
    client_.setStreamManagement(true, true);  // what was on its way when the line broke comes again
    client_.setTls(account.plain ? gloox::TLSDisabled : gloox::TLSRequired);
  }

  /// Until SIGINT or SIGTERM, which come while it waits, and at no other moment.
  void run(const sigset_t& while_waiting) {
    reconnect_now();
    for (;;) {
      pollfd waits[2] = {{app_.fd(), POLLIN, 0}, {line_->socket(), POLLIN, 0}};
      const auto wait = wait_time();
      ::ppoll(waits, 2, wait ? &*wait : nullptr, &while_waiting);
      if (ending != 0) break;
      app_.dispatch();
      if (waits[1].fd >= 0 && waits[1].revents != 0) client_.recv(0);
      // gloox tells some failures, and leaves the connection open.
      if (std::exchange(lost_, false)) line_->disconnect();
      if (line_->socket() < 0 && next_try_ && Clock::now() >= *next_try_) connect();
      if (line_->socket() >= 0 && !online_ && Clock::now() >= give_up_) client_.disconnect();
    }
    client_.disconnect();
  }

  /// Something may have changed: no waiting.
  void reconnect_now() {
    if (online_) return;
    delay_ = 1s;
    stay_awake();
    if (line_->socket() < 0) next_try_ = Clock::now();
  }

  /// The keep-alive handler: a line that is dead shows itself.
  void look_after() {
    if (online_)
      client_.whitespacePing();
    else
      reconnect_now();
  }

 private:
  static constexpr auto kLoginPatience = 5s;
  static constexpr auto kLongestDelay = 60s;

  std::optional<timespec> wait_time() const {
    std::optional<Clock::time_point> next = line_->socket() < 0 ? next_try_ : std::nullopt;
    if (line_->socket() >= 0 && !online_) next = give_up_;
    if (!next) return std::nullopt;
    const auto left = std::max(std::chrono::nanoseconds(*next - Clock::now()), 0ns);
    return timespec{left / 1s, (left % 1s).count()};
  }

  void connect() {
    next_try_.reset();
    give_up_ = Clock::now() + kLoginPatience;
    // A failure is told to onDisconnect. gloox on GnuTLS, as Debian has it, makes nothing of
    // Client::setCACerts. Its TLS layer takes the file, and forgets it with each connection.
    if (client_.connect(false) && !ca_file_.empty())
      client_.encryptionImpl()->setCACerts({ca_file_});
  }

  /// Without a line nothing would wake us: be given the time to make a new one.
  void stay_awake() {
    auto task = app_.begin_background_task("reconnect", [this] {
      task_ = {};
      // It takes longer; from here on we sleep between the tries.
      auto later = app_.request_wake(30s, 120s, [this] { reconnect_now(); });
      if (later) wake_ = std::move(*later);
    });
    if (task) task_ = std::move(*task);
  }

  void onConnect() override {
    online_ = true;
    delay_ = 1s;
    task_ = {};
    wake_ = {};
    say(std::string("online") + (resumed_ ? ", resumed" : "") +
        (line_->is_wake_capable() ? "" : ", and would not be woken"));
    resumed_ = false;
  }
  void onDisconnect(gloox::ConnectionError error) override {
    say("offline (" + std::to_string(error) + ")");
    lost_ = true;
    if (std::exchange(online_, false)) stay_awake();
    next_try_ = Clock::now() + delay_;
    delay_ = std::min<std::chrono::seconds>(delay_ * 2, kLongestDelay);
  }
  bool onTLSConnect(const gloox::CertInfo& info) override {
    if (info.status == gloox::CertOk) return true;
    say("the server's certificate is not trusted (" + std::to_string(info.status) + ")");
    return false;
  }
  void onStreamEvent(gloox::StreamEvent event) override {
    if (event == gloox::StreamEventSMResumed) resumed_ = true;
  }

  void handleMessage(const gloox::Message& message, gloox::MessageSession*) override {
    if (message.body().empty()) return;  // "is typing"
    const std::string from = message.from().bare();
    if (!message.id().empty() && seen_.again(message.from().full() + ' ' + message.id())) {
      say("again from " + from + ": " + message.body());
      return;
    }
    say("message from " + from + ": " + message.body());
    wakeline::Notification notification;
    notification.title = from;
    notification.body = message.body();
    notification.category = "im.received";
    notification.tag = from;
    if (const auto shown = app_.notify(notification); !shown)
      say("not shown: " + shown.error().message);
  }

  wakeline::App& app_;
  gloox::Client client_;
  wakeline::adapters::GlooxConnection* line_;
  std::string ca_file_;
  Seen seen_;
  bool online_ = false;
  bool lost_ = false;
  bool resumed_ = false;
  Clock::time_point give_up_{};
  std::optional<Clock::time_point> next_try_;
  std::chrono::seconds delay_{1};
  wakeline::BackgroundTask task_;
  wakeline::WakeRequest wake_;
};

}  // namespace

int main(int argc, char** argv) {
  const char* password = std::getenv("CHAT_PASSWORD");
  const std::string trust = argc == 6 ? argv[5] : "";
  const bool plain = trust == "plain";
  if (argc < 5 || argc > 6 || password == nullptr ||
      (argc == 6 && !plain && !trust.starts_with("ca="))) {
    std::cerr << "usage: CHAT_PASSWORD=… chat JID SERVER PORT SEEN_FILE [ca=FILE | plain]\n";
    return 2;
  }
  const std::string ca_file = plain || trust.empty() ? "" : trust.substr(3);
  if (argc == 6 && !plain && !std::ifstream(ca_file)) {
    std::cerr << "chat: " << ca_file << " cannot be read\n";
    return 2;
  }
  const Account account{argv[1], password, argv[2], std::atoi(argv[3]), argv[4], ca_file, plain};
  sigset_t ends;
  sigset_t before;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGINT);
  ::sigaddset(&ends, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ends, &before);
  std::signal(SIGINT, [](int) { ending = 1; });
  std::signal(SIGTERM, [](int) { ending = 1; });

  auto app = wakeline::App::create();  // after the mask: its thread takes no signal
  if (!app) {
    std::cerr << "chat: " << app.error().message << '\n';
    return 4;
  }
  Chat chat(*app, account);
  app->on_woken([](wakeline::WakeCause cause) { say("woken by " + std::string(name(cause))); });
  app->on_network_changed([&](const wakeline::NetworkFacts&) { chat.reconnect_now(); });
  const auto kept = app->set_keep_alive_timeout(600s, [&] { chat.look_after(); });
  if (!kept) say("no keep-alive: " + kept.error().message);
  chat.run(before);
  return 0;
}
