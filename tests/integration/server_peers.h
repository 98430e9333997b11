// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "io/unique_fd.h"
#include "wire/mqtt.h"

/// Blocking peers of a server on loopback, each on one thread: bytes, an MQTT device, an app
/// server.
namespace wakeline::server {

inline constexpr std::chrono::milliseconds kPatience{10'000};

/// A certificate that a device shows, and its key: PEM files.
struct ClientCertificate {
  std::string certificate_file;
  std::string key_file;
};

/// A TCP connection, plain or TLS with a verified certificate.
class Line {
 public:
  /// `ca_file` empty: plain. Check `ok` afterwards.
  explicit Line(std::uint16_t port, const std::string& ca_file = {},
                const std::string& name = "localhost", const ClientCertificate* shown = nullptr);
  /// A plain one that comes from that address of this machine, "127.0.0.2"; from one of IPv6 it
  /// goes to ::1.
  static Line from(const std::string& source, std::uint16_t port);
  Line(Line&&) = default;
  Line& operator=(Line&&) = default;
  ~Line();

  bool ok() const { return ok_; }
  /// No end has been seen.
  bool open() const { return ok_ && !ended_; }
  /// Returns: false when the connection is gone.
  bool send(base::BytesView bytes);
  bool send(std::string_view text) { return send(base::as_bytes(text)); }
  /// Appends what has come. Returns: false at its end, and when nothing came in time.
  bool receive(base::Bytes& into, std::chrono::milliseconds patience = kPatience);
  /// Whether the server ends the connection in time; what comes before is dropped.
  bool ends(std::chrono::milliseconds patience = kPatience);
  int fd() const { return fd_.get(); }

 private:
  Line() = default;
  void connect(std::uint16_t port, const char* source);

  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  bool wait(short events, std::chrono::milliseconds patience) const;

  io::UniqueFd fd_;
  std::unique_ptr<SSL, FreeTls> tls_;
  bool ok_ = false;
  bool ended_ = false;
};

/// A device that speaks MQTT packet by packet.
class MqttPeer {
 public:
  explicit MqttPeer(Line its_line, wire::mqtt::Version version = wire::mqtt::Version::k5)
      : line(std::move(its_line)), version_(version) {}

  bool send(const wire::mqtt::Packet& packet);
  /// Nothing when the connection ended, sent no MQTT, or nothing came in time.
  std::optional<wire::mqtt::Packet> receive(std::chrono::milliseconds patience = kPatience);
  /// The next packet, when it is of that type.
  template <class Packet>
  std::optional<Packet> expect(std::chrono::milliseconds patience = kPatience) {
    auto packet = receive(patience);
    if (!packet || !std::holds_alternative<Packet>(*packet)) return std::nullopt;
    return std::get<Packet>(std::move(*packet));
  }
  /// CONNECT with these credentials and SUBSCRIBE to the inbox. Returns: the CONNACK's reason.
  wire::mqtt::Reason log_in(const std::string& device, const std::string& token,
                            bool clean_start = true);
  bool acknowledge(const wire::mqtt::Publish& publish) {
    return send(wire::mqtt::Ack{.packet_id = publish.packet_id});
  }

  Line line;

 private:
  wire::mqtt::Version version_;
  base::Bytes input_;
};

struct HttpAnswer {
  unsigned status = 0;   ///< 0: none came
  std::string header{};  ///< as it came
  std::string body{};
};

/// An app server with one connection that it keeps.
class HttpPeer {
 public:
  explicit HttpPeer(Line its_line) : line(std::move(its_line)) {}

  HttpAnswer ask(std::string_view request);
  HttpAnswer read_answer();
  /// POST /v1/push of that JSON.
  HttpAnswer push(const std::string& token, const std::string& json);

  Line line;

 private:
  base::Bytes input_;
};

/// A request with a body of JSON, or none. `authorization` is the whole field, `more` further
/// lines.
std::string request_text(const std::string& method, const std::string& target,
                         const std::string& authorization, const std::string& body,
                         const std::string& more = {});
/// What a device says of itself over HTTP.
std::string basic_authorization(const std::string& device, const std::string& token);

/// {"device":…,"title":…}
std::string push_json(const std::string& device, const std::string& title);

wire::mqtt::Connect connect_packet(const std::string& device, const std::string& token,
                                   bool clean_start = true);

}  // namespace wakeline::server
