// SPDX-License-Identifier: Apache-2.0
#include "phone.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "stale.h"
#include "trust.h"

namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kTableSize = 32;
/// libre's keep-alive tells the end of the connection. Its own pings would be a wake each, so the
/// first one is a week away; the kernel's keep-alive is what finds a dead line.
constexpr std::uint32_t kNoPingsS = 604'800;

std::string text_of(const pl& part) { return part.p == nullptr ? "" : std::string(part.p, part.l); }

/// The address from which `target` is reached.
bool find_local(const sa& target, sa& local) {
  const int fd = ::socket(sa_af(&target), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const bool found = fd >= 0 && ::connect(fd, &target.u.sa, target.len) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
                     sa_set_sa(&local, reinterpret_cast<sockaddr*>(&address)) == 0;
  if (fd >= 0) ::close(fd);
  sa_set_port(&local, 0);
  return found;
}

/// How old the message is that was just read, as far as anything tells.
milliseconds age_of(const sip_msg& message) {
  milliseconds age{0};
  if (tcp_conn* connection = sip_msg_tcpconn(&message)) {
    age = age_of_newest_byte(tcp_conn_fd(connection)).value_or(age);
  }
  if (const sip_hdr* date = sip_msg_hdr(&message, SIP_HDR_DATE)) {
    const auto by_date = age_by_date(text_of(date->val), std::chrono::system_clock::now());
    age = std::max(age, by_date.value_or(age));
  }
  return age;
}

}  // namespace

Phone::Phone(Account account, PhoneEvents events)
    : account_(std::move(account)), events_(std::move(events)) {
  sa registrar;
  if (sa_set_str(&registrar, account_.host.c_str(), account_.port) != 0 ||
      !find_local(registrar, local_)) {
    return;
  }
  if (account_.tls) {
    tls_ = make_trust(account_.host, account_.ca_file);
    if (tls_ == nullptr) return;
  }
  const auto transport = account_.tls ? SIP_TRANSP_TLS : SIP_TRANSP_TCP;
  if (sip_alloc(&sip_, nullptr, kTableSize, kTableSize, kTableSize, "wakeline softphone", nullptr,
                nullptr) != 0 ||
      sip_transp_add(sip_, transport, &local_, tls_) != 0 ||
      sip_auth_alloc(&auth_, on_challenge, this, false) != 0) {
    return;
  }
  call_id_ = std::to_string(rand_u64());
  sipsess_listen(&sessions_, sip_, kTableSize, on_invite, this);
}

Phone::~Phone() {
  mem_deref(call_);
  mem_deref(request_);
  mem_deref(watch_);
  mem_deref(auth_);
  mem_deref(sessions_);
  if (sip_ != nullptr) sip_close(sip_, true);
  mem_deref(sip_);
  mem_deref(tls_);
}

std::string Phone::uri() const {
  return "sip:" + account_.host + ":" + std::to_string(account_.port) +
         (account_.tls ? ";transport=tls" : ";transport=tcp");
}

void Phone::sign_in() {
  attempts_ = 0;
  sip_auth_reset(auth_);
  send_register();
}

void Phone::send_register() {
  request_ = static_cast<struct sip_request*>(mem_deref(request_));
  const std::string person = "sip:" + account_.user + "@" + account_.host;
  const int failed =
      sip_requestf(&request_, sip_, true, "REGISTER", uri().c_str(), nullptr, auth_, add_contact,
                   on_registered, this,
                   "To: <%s>\r\nFrom: <%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n"
                   "Content-Length: 0\r\n\r\n",
                   person.c_str(), person.c_str(), call_id_.c_str(), call_id_.c_str(), ++sequence_);
  if (failed != 0) events_.on_line_lost("the request was not sent");
}

int Phone::add_contact(sip_transp transport, const sa* source, const sa* /*target*/, mbuf* request,
                       void* self) {
  const auto* phone = static_cast<Phone*>(self);
  sip_contact contact;
  sip_contact_set(&contact, phone->account_.user.c_str(), source, transport);
  const auto expires = static_cast<std::uint32_t>(phone->account_.expires.count());
  return mbuf_printf(request, "%H", sip_contact_print, &contact) != 0 ||
                 mbuf_printf(request, "Expires: %u\r\n", expires) != 0
             ? ENOMEM
             : 0;
}

void Phone::on_registered(int error, const sip_msg* answer, void* self) {
  auto* phone = static_cast<Phone*>(self);
  if (error == 0 && answer->scode < 200) return;
  if (error == 0 && (answer->scode == 401 || answer->scode == 407) && phone->attempts_++ == 0 &&
      sip_auth_authenticate(phone->auth_, answer) == 0) {
    phone->send_register();
    return;
  }
  if (error != 0 || answer->scode >= 300) {
    phone->events_.on_line_lost(error != 0 ? "no answer" : "refused: " + text_of(answer->reason));
    return;
  }
  phone->watch_ = static_cast<sip_keepalive*>(mem_deref(phone->watch_));
  sip_keepalive_start(&phone->watch_, phone->sip_, answer, kNoPingsS, on_line_end, self);
  tcp_conn* connection = sip_msg_tcpconn(answer);
  phone->events_.on_signed_in(connection == nullptr ? -1 : tcp_conn_fd(connection));
}

void Phone::on_line_end(int /*error*/, void* self) {
  auto* phone = static_cast<Phone*>(self);
  phone->watch_ = static_cast<sip_keepalive*>(mem_deref(phone->watch_));
  phone->events_.on_line_lost("the connection has ended");
}

void Phone::on_invite(const sip_msg* invite, void* self) {
  auto* phone = static_cast<Phone*>(self);
  const milliseconds age = age_of(*invite);
  if (age >= phone->account_.ring_age) {
    // Whoever called has given up, and rings nobody any more.
    sip_treply(nullptr, phone->sip_, invite, 408, "Request Timeout");
    phone->events_.on_say("stale call dropped, " + std::to_string(age.count()) + " ms old");
    return;
  }
  if (phone->call_ != nullptr) {
    sip_treply(nullptr, phone->sip_, invite, 486, "Busy Here");
    return;
  }
  phone->media_ = std::make_unique<Media>(phone->local_);
  if (!phone->media_->take(invite->mb, true)) {
    sip_treply(nullptr, phone->sip_, invite, 488, "Not Acceptable Here");
    return;
  }
  if (sipsess_accept(&phone->call_, phone->sessions_, invite, 180, "Ringing",
                     phone->account_.user.c_str(), "application/sdp", nullptr, on_challenge, self,
                     false, on_offer, on_answer, on_established, nullptr, nullptr, on_closed, self,
                     "") == 0) {
    phone->events_.on_ring(text_of(invite->from.auri));
  }
}

int Phone::on_offer(mbuf** answer, const sip_msg* offer, void* self) {
  auto* phone = static_cast<Phone*>(self);
  const bool has_offer = mbuf_get_left(offer->mb) != 0;
  if (has_offer && !phone->media_->take(offer->mb, true)) return EPROTO;
  *answer = phone->media_->describe(!has_offer);
  return *answer == nullptr ? ENOMEM : 0;
}

int Phone::on_answer(const sip_msg* answer, void* self) {
  return static_cast<Phone*>(self)->media_->take(answer->mb, false) ? 0 : EPROTO;
}

void Phone::on_established(const sip_msg* /*ack*/, void* self) {
  auto* phone = static_cast<Phone*>(self);
  phone->talking_ = true;
  phone->media_->start();
  phone->events_.on_talk();
}

void Phone::on_closed(int error, const sip_msg* last, void* self) {
  static_cast<Phone*>(self)->end(error == ETIMEDOUT || last == nullptr ? "ended"
                                                                       : text_of(last->reason));
}

int Phone::on_challenge(char** user, char** password, const char* /*realm*/, void* self) {
  const Account& account = static_cast<Phone*>(self)->account_;
  if (str_dup(user, account.user.c_str()) != 0) return ENOMEM;
  return str_dup(password, account.password.c_str());
}

void Phone::answer() {
  if (call_ == nullptr || talking_) return;
  mbuf* sdp = media_->describe(false);
  const int failed = sipsess_answer(call_, 200, "OK", sdp, "");
  mem_deref(sdp);
  if (failed != 0) end("it cannot be answered");
}

void Phone::decline() {
  if (call_ == nullptr || talking_) return;
  sipsess_reject(call_, 603, "Decline", nullptr);
  end("declined");
}

void Phone::hang_up() {
  if (call_ != nullptr) end("hung up");
}

void Phone::hold(bool on) {
  if (!talking_) return;
  media_->hold(on);
  mbuf* sdp = media_->describe(true);
  sipsess_modify(call_, sdp);
  mem_deref(sdp);
}

/// Letting the session go says BYE where that was not said.
void Phone::end(const std::string& why) {
  if (talking_) events_.on_say(media_->report());
  talking_ = false;
  call_ = static_cast<sipsess*>(mem_deref(call_));
  media_.reset();
  events_.on_end(why);
}
