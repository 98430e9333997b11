// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <wakeline/app.h>

#include <vector>

namespace wakeline::adapters {

/// The service type VoIP of a URL request (C3): a long-lived answer, such as server-sent events or
/// a long poll, whose bytes wake the suspended app. Its connection is tagged when it stands, before
/// the request is sent; again when a redirect or a retry makes another one.
/// Shape:    sets CURLOPT_FRESH_CONNECT, PREREQFUNCTION and OPENSOCKETFUNCTION of `easy` (libcurl
///           tells of no descriptor before the answer), which has no other use for them.
/// Threads:  the one that performs the request.
/// Lifetime: of the request; `app` and `easy` outlive it. Destroyed, the connection is untagged,
///           though curl may keep it for the next request.
class VoipRequest {
 public:
  /// Before `easy` is performed.
  VoipRequest(App& app, CURL* easy) : app_(app), easy_(easy) {
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &VoipRequest::on_open);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, &VoipRequest::on_connected);
    curl_easy_setopt(easy_, CURLOPT_PREREQDATA, this);
  }
  VoipRequest(const VoipRequest&) = delete;
  VoipRequest& operator=(const VoipRequest&) = delete;
  ~VoipRequest() {
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 0L);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, nullptr);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, nullptr);
    curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, nullptr);
    curl_easy_setopt(easy_, CURLOPT_PREREQDATA, nullptr);
  }

  /// How tagging went: a refusal leaves the request working, untagged (C4). kNotConnected: there
  /// was no connection yet.
  const Result<Tag>& tag() const { return tag_; }
  /// Whether its bytes would wake the app now (C5).
  bool is_wake_capable() const { return tag_ && tag_->is_wake_capable(); }

 private:
  /// Several for one connection, where a host has several addresses.
  static curl_socket_t on_open(void* self, curlsocktype /*purpose*/,
                               curl_sockaddr* address) noexcept {
    const curl_socket_t fd =
        ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0) static_cast<VoipRequest*>(self)->opened_.push_back(fd);
    return fd;
  }
  static int on_connected(void* self, char* /*peer*/, char* /*own*/, int /*port*/,
                          int own_port) noexcept {
    auto* request = static_cast<VoipRequest*>(self);
    curl_socket_t won = CURL_SOCKET_BAD;
    for (const curl_socket_t fd : request->opened_) {
      if (port_of(fd) == own_port) won = fd;
    }
    request->opened_.clear();
    request->tag_ = request->app_.tag(won);
    return CURL_PREREQFUNC_OK;
  }
  /// Its own; -1: it was closed.
  static int port_of(curl_socket_t fd) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return -1;
    if (own.ss_family == AF_INET6)
      return ntohs(reinterpret_cast<const sockaddr_in6*>(&own)->sin6_port);
    return own.ss_family == AF_INET ? ntohs(reinterpret_cast<const sockaddr_in*>(&own)->sin_port)
                                    : -1;
  }

  App& app_;
  CURL* easy_;
  std::vector<curl_socket_t> opened_;
  Result<Tag> tag_{Error{ErrorCode::kNotConnected, "not yet connected"}};
};

}  // namespace wakeline::adapters
