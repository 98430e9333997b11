// SPDX-License-Identifier: Apache-2.0
#include "subscribe.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <boost/json.hpp>

namespace {

namespace json = boost::json;

constexpr std::size_t kAnswerMax = 16'384;
constexpr long kTimeoutMs = 15'000;

std::size_t take(char* bytes, std::size_t one, std::size_t count, void* answer) {
  auto& text = *static_cast<std::string*>(answer);
  if (text.size() + one * count > kAnswerMax) return 0;
  text.append(bytes, one * count);
  return one * count;
}

/// The endpoint that the server made; or, in `error`, why it did not.
std::string make_endpoint(const wakeline::PushClient::Options& device, const std::string& service,
                          std::string& error) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> request(curl_easy_init(),
                                                                    curl_easy_cleanup);
  if (!request) return error = "no memory for a request", std::string();
  std::string answer;
  const std::string url = service + "/v1/subscriptions";
  curl_easy_setopt(request.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(request.get(), CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(request.get(), CURLOPT_USERNAME, device.device.c_str());
  curl_easy_setopt(request.get(), CURLOPT_PASSWORD, device.token.c_str());
  if (!device.ca_file.empty())
    curl_easy_setopt(request.get(), CURLOPT_CAINFO, device.ca_file.c_str());
  curl_easy_setopt(request.get(), CURLOPT_POSTFIELDS, "");
  curl_easy_setopt(request.get(), CURLOPT_TIMEOUT_MS, kTimeoutMs);
  curl_easy_setopt(request.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(request.get(), CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(request.get(), CURLOPT_WRITEDATA, &answer);
  if (const CURLcode code = curl_easy_perform(request.get()); code != CURLE_OK)
    return error = curl_easy_strerror(code), std::string();
  long status = 0;
  curl_easy_getinfo(request.get(), CURLINFO_RESPONSE_CODE, &status);
  boost::system::error_code malformed;
  const json::value body = json::parse(answer, malformed);
  const json::object* object = malformed ? nullptr : body.if_object();
  const json::value* endpoint = object != nullptr ? object->if_contains("endpoint") : nullptr;
  if (status != 201 || endpoint == nullptr || !endpoint->is_string())
    return error = "the server answered " + std::to_string(status), std::string();
  return std::string(endpoint->get_string());
}

/// The old file or the whole new one, also after a crash; it holds a secret.
bool write_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  ::close(fd);
  return written && std::rename(fresh.c_str(), path.c_str()) == 0;
}

}  // namespace

std::string subscribe(const wakeline::PushClient::Options& device,
                      const wakeline::SealingKeys& keys, const std::string& service,
                      const std::string& file) {
  if (::access(file.c_str(), F_OK) == 0) return {};
  std::string error;
  const std::string endpoint = make_endpoint(device, service, error);
  if (!error.empty()) return service + ": " + error;
  const json::object subscription{{"endpoint", endpoint},
                                  {"keys", {{"p256dh", keys.p256dh}, {"auth", keys.auth}}}};
  if (!write_file(file, json::serialize(subscription) + "\n")) return file + " cannot be written";
  return {};
}
