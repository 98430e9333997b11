// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "media.h"
#include "re_library.h"

/// Where and as whom the phone registers.
struct Account {
  std::string user;
  std::string password;
  std::string host;  ///< an IP address
  std::uint16_t port = 5060;
  bool tls = false;
  std::string ca_file;                  ///< of TLS; empty: whom the system trusts
  std::chrono::seconds expires{1'800};  ///< of a registration; renewed by whoever calls sign_in
  std::chrono::milliseconds ring_age{32'000};  ///< an older INVITE is nobody's any more: Timer B
};

/// What the phone tells. All are set.
struct PhoneEvents {
  std::function<void(int fd)> on_signed_in;  ///< the connection that the registration came over
  std::function<void(const std::string& why)> on_line_lost;  ///< sign in again
  std::function<void(const std::string& from)> on_ring;
  std::function<void()> on_talk;
  std::function<void(const std::string& why)> on_end;   ///< of ringing, or of the call
  std::function<void(const std::string& line)> on_say;  ///< for a log
};

/// A SIP user agent over one TCP or TLS connection to its registrar, on libre: it takes calls, one
/// at a time. Used from the thread of re_main.
class Phone {
 public:
  Phone(Account account, PhoneEvents events);
  Phone(const Phone&) = delete;
  Phone& operator=(const Phone&) = delete;
  ~Phone();

  bool ok() const { return sessions_ != nullptr; }  ///< false: no address, no port, no certificate
  /// Registers now, over the connection that stands or a new one.
  void sign_in();
  void answer();
  void decline();
  void hang_up();
  /// Tells the peer, and is silent; or back.
  void hold(bool on);
  bool in_call() const { return talking_; }

 private:
  static int add_contact(sip_transp transport, const sa* source, const sa* target, mbuf* request,
                         void* self);
  static void on_registered(int error, const sip_msg* answer, void* self);
  static void on_line_end(int error, void* self);
  static void on_invite(const sip_msg* invite, void* self);
  static int on_offer(mbuf** answer, const sip_msg* offer, void* self);
  static int on_answer(const sip_msg* answer, void* self);
  static void on_established(const sip_msg* ack, void* self);
  static void on_closed(int error, const sip_msg* last, void* self);
  static int on_challenge(char** user, char** password, const char* realm, void* self);

  void send_register();
  std::string uri() const;  ///< of the registrar
  void end(const std::string& why);

  Account account_;
  PhoneEvents events_;
  sip* sip_ = nullptr;
  tls* tls_ = nullptr;
  sip_auth* auth_ = nullptr;
  struct sip_request* request_ = nullptr;
  std::string call_id_;
  std::uint32_t sequence_ = 0;
  int attempts_ = 0;
  sip_keepalive* watch_ = nullptr;  ///< of the connection
  sipsess_sock* sessions_ = nullptr;
  sipsess* call_ = nullptr;
  std::unique_ptr<Media> media_;
  sa local_{};
  bool talking_ = false;
};
