// SPDX-License-Identifier: Apache-2.0
#include "server_peers.h"

#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <charconv>

#include "io/clock.h"
#include "io/tcp_socket.h"
#include "wire/push.h"

namespace wakeline::server {

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;

Line::Line(std::uint16_t port, const std::string& ca_file, const std::string& name,
           const ClientCertificate* shown) {
  connect(port, nullptr);
  if (!ok_ || ca_file.empty()) return;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  ok_ = SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) == 1;
  if (shown != nullptr) {
    ok_ =
        ok_ &&
        SSL_CTX_use_certificate_file(context.get(), shown->certificate_file.c_str(),
                                     SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_use_PrivateKey_file(context.get(), shown->key_file.c_str(), SSL_FILETYPE_PEM) == 1;
  }
  tls_.reset(SSL_new(context.get()));
  X509_VERIFY_PARAM* wanted = SSL_get0_param(tls_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) != 1)
    SSL_set1_host(tls_.get(), name.c_str());
  SSL_set_fd(tls_.get(), fd_.get());
  ok_ = ok_ && SSL_connect(tls_.get()) == 1;
}

Line Line::from(const std::string& source, std::uint16_t port) {
  Line line;
  line.connect(port, source.c_str());
  return line;
}

void Line::connect(std::uint16_t port, const char* source) {
  const auto from = io::tcp_endpoint(source != nullptr ? source : "127.0.0.1", 0);
  if (!from) return;
  const auto to =
      io::tcp_endpoint(from->protocol().family() == AF_INET6 ? "::1" : "127.0.0.1", port);
  fd_.reset(::socket(from->protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd_ || !to) return;
  if (source != nullptr &&
      ::bind(fd_.get(), from->data(), static_cast<socklen_t>(from->size())) != 0)
    return;
  if (::connect(fd_.get(), to->data(), static_cast<socklen_t>(to->size())) != 0) return;
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ok_ = true;
}

Line::~Line() = default;

bool Line::send(base::BytesView bytes) {
  while (ok_ && !bytes.empty()) {
    const int size = static_cast<int>(bytes.size());
    const ssize_t sent = tls_ ? SSL_write(tls_.get(), bytes.data(), size)
                              : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return ok_;
}

bool Line::wait(short events, milliseconds patience) const {
  pollfd poll{fd_.get(), events, 0};
  return ::poll(&poll, 1, static_cast<int>(patience.count())) > 0;
}

bool Line::receive(base::Bytes& into, milliseconds patience) {
  if (!ok_ || ended_) return false;
  if (!(tls_ && SSL_pending(tls_.get()) > 0) && !wait(POLLIN, patience)) return false;
  std::array<std::uint8_t, 16'384> block;
  const ssize_t got = tls_ ? SSL_read(tls_.get(), block.data(), static_cast<int>(block.size()))
                           : ::recv(fd_.get(), block.data(), block.size(), 0);
  if (got <= 0) {
    ended_ = true;
    return false;
  }
  into.insert(into.end(), block.begin(), block.begin() + got);
  return true;
}

bool Line::ends(milliseconds patience) {
  const base::Instant until = io::now() + patience;
  base::Bytes dropped;
  while (!ended_ && io::now() < until) {
    const auto left = std::chrono::ceil<milliseconds>(until - io::now());
    if (!receive(dropped, left) && !ended_) return false;
  }
  return ended_;
}

bool MqttPeer::send(const mqtt::Packet& packet) {
  base::Bytes bytes;
  return mqtt::encode(packet, version_, bytes).has_value() && line.send(bytes);
}

std::optional<mqtt::Packet> MqttPeer::receive(milliseconds patience) {
  for (;;) {
    auto decoded = mqtt::decode(input_, version_);
    if (!decoded) return std::nullopt;
    if (decoded->consumed > 0) {
      input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(decoded->consumed));
      return std::move(decoded->packet);
    }
    if (!line.receive(input_, patience)) return std::nullopt;
  }
}

mqtt::Reason MqttPeer::log_in(const std::string& device, const std::string& token,
                              bool clean_start) {
  auto packet = connect_packet(device, token, clean_start);
  packet.version = version_;
  if (version_ == mqtt::Version::k311) packet.properties = {};
  send(packet);
  const auto connack = expect<mqtt::Connack>();
  if (!connack) return mqtt::Reason::kUnspecified;
  if (connack->reason != mqtt::Reason::kSuccess || connack->session_present) return connack->reason;
  send(mqtt::Subscribe{
      .packet_id = 1,
      .topics = {{.filter = wire::inbox_topic(device), .qos = mqtt::Qos::kAtLeastOnce}}});
  const auto suback = expect<mqtt::Suback>();
  return suback && suback->reasons == std::vector{mqtt::Reason::kGrantedQos1}
             ? mqtt::Reason::kSuccess
             : mqtt::Reason::kUnspecified;
}

HttpAnswer HttpPeer::ask(std::string_view request) {
  if (!line.send(request)) return {};
  return read_answer();
}

HttpAnswer HttpPeer::read_answer() {
  constexpr std::string_view kLength = "Content-Length: ";
  for (;;) {
    const std::string_view text = base::as_text(input_);
    const std::size_t end = text.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      HttpAnswer answer{.header = std::string(text.substr(0, end))};
      std::from_chars(text.data() + 9, text.data() + 12, answer.status);
      std::size_t length = 0;
      if (const std::size_t at = answer.header.find(kLength); at != std::string::npos) {
        const char* digits = answer.header.data() + at + kLength.size();
        std::from_chars(digits, answer.header.data() + answer.header.size(), length);
      }
      if (text.size() >= end + 4 + length) {
        answer.body = text.substr(end + 4, length);
        input_.erase(input_.begin(),
                     input_.begin() + static_cast<std::ptrdiff_t>(end + 4 + length));
        return answer;
      }
    }
    if (!line.receive(input_)) return {};
  }
}

HttpAnswer HttpPeer::push(const std::string& token, const std::string& json) {
  return ask("POST /v1/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
             "\r\nContent-Type: application/json\r\nContent-Length: " +
             std::to_string(json.size()) + "\r\n\r\n" + json);
}

std::string request_text(const std::string& method, const std::string& target,
                         const std::string& authorization, const std::string& body,
                         const std::string& more) {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" +
         (authorization.empty() ? "" : "Authorization: " + authorization + "\r\n") + more +
         (body.empty() ? "" : "Content-Type: application/json\r\n") +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string basic_authorization(const std::string& device, const std::string& token) {
  const std::string pair = device + ":" + token;
  std::string text(pair.size() / 3 * 4 + 5, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(pair.data()),
                                   static_cast<int>(pair.size()));
  text.resize(static_cast<std::size_t>(size));
  return "Basic " + text;
}

std::string push_json(const std::string& device, const std::string& title) {
  return R"({"device":")" + device + R"(","title":")" + title + R"("})";
}

mqtt::Connect connect_packet(const std::string& device, const std::string& token,
                             bool clean_start) {
  const base::BytesView password = base::as_bytes(token);
  mqtt::Connect connect{.clean_start = clean_start,
                        .keep_alive_s = 60,
                        .client_id = device,
                        .user_name = device,
                        .password = base::Bytes(password.begin(), password.end())};
  connect.properties.session_expiry_s = 3'600;
  return connect;
}

}  // namespace wakeline::server
