// SPDX-License-Identifier: Apache-2.0
#include "server/http2_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "base/log.h"

namespace wakeline::server {

using base::ErrorCode;
using boost::system::error_code;
using Descriptor = boost::asio::posix::stream_descriptor;

namespace {

/// Streams of one connection at a time; the other side may say less.
constexpr long kStreamsMax = 100;
/// Nobody answers that late.
constexpr base::Duration kConnectTimeout = std::chrono::seconds(10);

struct FreeEasy {
  void operator()(CURL* it) const { curl_easy_cleanup(it); }
};
struct FreeList {
  void operator()(curl_slist* it) const { curl_slist_free_all(it); }
};
struct FreeUrl {
  void operator()(CURLU* it) const { curl_url_cleanup(it); }
};
struct FreeMulti {
  void operator()(CURLM* it) const { curl_multi_cleanup(it); }
};

ErrorCode code_of(CURLcode result) {
  switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::kTimeout;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return ErrorCode::kUnreachable;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return ErrorCode::kTls;
    default:
      return ErrorCode::kClosed;
  }
}

struct Transfer {
  Http2Client::Request request;
  Http2Client::OnDone done;
  std::unique_ptr<CURL, FreeEasy> easy;
  std::unique_ptr<curl_slist, FreeList> headers;
  std::string body;
};

/// libcurl says which sockets it wants to hear of; the socket stays libcurl's.
struct Watched {
  explicit Watched(boost::asio::io_context& context) : descriptor(context) {}
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() { let_go(); }
  /// Ends the waits; the number may be another connection's at once.
  void let_go() {
    if (descriptor.is_open()) descriptor.release();
  }
  Descriptor descriptor;
  int wanted = 0;
  bool reading = false;
  bool writing = false;
};

class CurlClient : public Http2Client {
 public:
  CurlClient(io::Loop& loop, std::string ca_file)
      : loop_(loop), ca_file_(std::move(ca_file)), timer_(loop.context()) {
    static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
    WL_CHECK(once == CURLE_OK);
    multi_.reset(curl_multi_init());
    WL_CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAX_CONCURRENT_STREAMS, kStreamsMax);
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &CurlClient::on_socket);
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &CurlClient::on_timer);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
  }
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;
  ~CurlClient() override {
    *alive_ = false;
    for (auto& [easy, transfer] : transfers_) curl_multi_remove_handle(multi_.get(), easy);
    transfers_.clear();
    multi_.reset();  // closes its connections, while `sockets_` is there to hear of it
  }

  void post(Request request, base::Duration timeout, OnDone done) override;

 private:
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* unused);
  static int on_timer(CURLM* multi, long milliseconds, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer);

  void watch(curl_socket_t socket, int what);
  void wait(curl_socket_t socket, const std::shared_ptr<Watched>& watched);
  void act(curl_socket_t socket, int what);
  void take_results();

  io::Loop& loop_;
  std::string ca_file_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unordered_map<curl_socket_t, std::shared_ptr<Watched>> sockets_;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> transfers_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
};

std::size_t CurlClient::on_body(char* data, std::size_t size, std::size_t count, void* transfer) {
  auto& body = static_cast<Transfer*>(transfer)->body;
  const std::size_t room = kAnswerMax - std::min(kAnswerMax, body.size());
  body.append(data, std::min(room, size * count));
  return size * count;  // the rest is dropped
}

void CurlClient::post(Request request, base::Duration timeout, OnDone done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  transfer->easy.reset(curl_easy_init());
  CURL* easy = transfer->easy.get();
  WL_CHECK(easy != nullptr);
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const std::string& header : transfer->request.headers)
    headers = curl_slist_append(headers, header.c_str());
  transfer->headers.reset(headers);
  const auto ms = [](base::Duration span) {
    return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(span).count());
  };
  curl_easy_setopt(easy, CURLOPT_URL, transfer->request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  // A second request waits for the first one's connection, to share it.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ms(timeout));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, ms(std::min(timeout, kConnectTimeout)));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(transfer->request.body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request.body.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlClient::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  if (!ca_file_.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file_.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  transfers_.emplace(easy, std::move(transfer));
  const CURLMcode added = curl_multi_add_handle(multi_.get(), easy);
  WL_CHECK_MSG(added == CURLM_OK, "{}", curl_multi_strerror(added));
}

int CurlClient::on_timer(CURLM*, long milliseconds, void* self) {
  auto& client = *static_cast<CurlClient*>(self);
  client.timer_.cancel();
  if (milliseconds < 0) return 0;
  client.timer_.expires_after(std::chrono::milliseconds(milliseconds));
  client.timer_.async_wait([&client, alive = client.alive_](error_code error) {
    if (!error && *alive) client.act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

int CurlClient::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  static_cast<CurlClient*>(self)->watch(socket, what);
  return 0;
}

void CurlClient::watch(curl_socket_t socket, int what) {
  if (what == CURL_POLL_REMOVE) {
    const auto it = sockets_.find(socket);
    if (it == sockets_.end()) return;
    it->second->let_go();  // its waits hold it a moment longer
    sockets_.erase(it);
    return;
  }
  auto& watched = sockets_[socket];
  if (!watched) {
    watched = std::make_shared<Watched>(loop_.context());
    error_code error;
    watched->descriptor.assign(socket, error);
    if (error) {  // the request ends by its timeout
      base::log(base::LogLevel::kError, "fallback", "{}", error.message());
      sockets_.erase(socket);
      return;
    }
  }
  watched->wanted = what;
  wait(socket, watched);
}

void CurlClient::wait(curl_socket_t socket, const std::shared_ptr<Watched>& watched) {
  const auto wait_for = [&](bool& waiting, int bit, Descriptor::wait_type type, int ready) {
    if (waiting || (watched->wanted & bit) == 0) return;
    waiting = true;
    watched->descriptor.async_wait(
        type, [this, alive = alive_, socket, watched, &waiting, ready](error_code error) {
          waiting = false;
          if (error || !*alive) return;
          // The number may belong to another connection by now.
          const auto it = sockets_.find(socket);
          if (it == sockets_.end() || it->second != watched) return;
          act(socket, ready);
          if (!*alive) return;
          const auto again = sockets_.find(socket);
          if (again != sockets_.end() && again->second == watched) wait(socket, watched);
        });
  };
  wait_for(watched->reading, CURL_POLL_IN, Descriptor::wait_read, CURL_CSELECT_IN);
  wait_for(watched->writing, CURL_POLL_OUT, Descriptor::wait_write, CURL_CSELECT_OUT);
}

void CurlClient::act(curl_socket_t socket, int what) {
  int running = 0;
  const CURLMcode result = curl_multi_socket_action(multi_.get(), socket, what, &running);
  if (result != CURLM_OK)
    base::log(base::LogLevel::kError, "fallback", "{}", curl_multi_strerror(result));
  take_results();
}

void CurlClient::take_results() {
  const auto alive = alive_;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode result = message->data.result;
    const auto it = transfers_.find(easy);
    WL_CHECK(it != transfers_.end());
    const std::unique_ptr<Transfer> transfer = std::move(it->second);
    transfers_.erase(it);
    base::Result<Answer> answer = base::fail(code_of(result), "http2");
    if (result == CURLE_OK) {
      long status = 0;
      curl_off_t retry_s = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_s);
      answer = Answer{.status = static_cast<unsigned>(status),
                      .body = std::move(transfer->body),
                      .retry_after = std::chrono::seconds(retry_s)};
    } else {
      base::log(base::LogLevel::kInfo, "fallback", "{}: {}", origin_of_url(transfer->request.url),
                curl_easy_strerror(result));
    }
    curl_multi_remove_handle(multi_.get(), easy);
    transfer->done(std::move(answer));
    if (!*alive) return;
  }
}

}  // namespace

std::string origin_of_url(std::string_view url) {
  constexpr std::string_view kMark = "://";
  const std::size_t mark = url.find(kMark);
  if (mark == std::string_view::npos) return {};
  const std::size_t from = mark + kMark.size();
  std::string_view host = url.substr(from);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const std::size_t user = host.rfind('@'); user != std::string_view::npos)
    host.remove_prefix(user + 1);
  return std::string(url.substr(0, from)).append(host);
}

std::string authority_of_url(const std::string& url) {
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  WL_CHECK(parsed != nullptr);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
      return std::string();
    std::string copy(text);
    curl_free(text);
    std::ranges::transform(copy, copy.begin(), [](unsigned char c) {
      return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    return copy;
  };
  const std::string host = part(CURLUPART_HOST);
  if (part(CURLUPART_SCHEME) != "https" || host.empty()) return {};
  return host + ":" + part(CURLUPART_PORT);
}

std::unique_ptr<Http2Client> Http2Client::create(io::Loop& loop, std::string ca_file) {
  return std::make_unique<CurlClient>(loop, std::move(ca_file));
}

}  // namespace wakeline::server
