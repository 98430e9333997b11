// SPDX-License-Identifier: Apache-2.0
#include "sip_peers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "io/tls.h"

namespace wakeline::peers {
namespace {

std::string make_folder(const std::string& path) {
  std::filesystem::create_directories(path);
  return path;
}

/// Flows are kept: a request for a contact goes over the connection that it registered on, and no
/// other. No registration outlives its connection.
std::string registrar_config(const std::string& certificate, std::uint16_t tcp, std::uint16_t tls,
                             const RegistrarOptions& options) {
  const std::string ping = options.pings == 0s
                               ? std::string()
                               : fmt::format(R"cfg(
modparam("usrloc", "ka_mode", 1)
modparam("usrloc", "ka_from", "sip:ping@{0}:{1}")
modparam("usrloc", "ka_domain", "{0}:{1}")
modparam("usrloc", "timer_interval", {2})
)cfg",
                                             options.address, tcp, options.pings.count());
  return fmt::format(R"cfg(#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=2
socket_workers=1
disable_tcp=no
enable_tls=yes
listen=tcp:{5}:{0}
listen=tls:{5}:{1}
auto_aliases=no
alias="{5}:{0}"
tcp_connection_lifetime=7200
tcp_crlf_ping=yes
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "nathelper.so"
loadmodule "xlog.so"
loadmodule "tls.so"
modparam("tls", "certificate", "{2}")
modparam("tls", "private_key", "{2}")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "handle_lost_tcp", 1)
modparam("registrar", "received_avp", "$avp(RECEIVED)")
modparam("nathelper", "received_avp", "$avp(RECEIVED)")
modparam("registrar", "default_expires", 600)
modparam("registrar", "max_expires", 3600)
modparam("registrar", "min_expires", {3})
modparam("tm", "fr_timer", 30000)
modparam("tm", "fr_inv_timer", 120000)
modparam("xlog", "force_color", 0)
{4}
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  force_rport();
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ route(RELAY); }}
    else if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); }}
    else sl_send_reply("404", "Not here");
    exit;
  }}
  t_check_trans();
  if (is_method("REGISTER")) {{
    if (!pv_auth_check("$fd", "secret", "0", "1")) {{ auth_challenge("$fd", "0"); exit; }}
    fix_nated_register();
    if (!save("location")) sl_reply_error();
    xlog("L_NOTICE", "STORED $tU from $si:$sp\n");
    exit;
  }}
  if (is_method("INVITE")) record_route();
  if (!lookup("location")) {{
    xlog("L_NOTICE", "NOTFOUND $rU\n");
    sl_send_reply("480", "Temporarily Unavailable");
    exit;
  }}
  route(RELAY);
}}
route[RELAY] {{
  if (is_method("INVITE")) {{
    t_on_reply("R");
    if (!has_totag()) xlog("L_NOTICE", "SENT $TV(Sn)\n");
  }}
  set_forward_no_connect();
  if (!t_relay()) sl_reply_error();
  exit;
}}
onreply_route[R] {{ xlog("L_NOTICE", "REPLY $rs $TV(Sn)\n"); }}
)cfg",
                     tcp, tls, certificate, options.min_expires.count(), ping, options.address);
}

/// Seconds and microseconds behind `word`, as kamailio writes them: "SENT 1700000000.123456".
std::chrono::microseconds time_in(const std::string& line, const std::string& word) {
  const auto at = line.find(word);
  if (at == std::string::npos) return {};
  long long seconds = 0, micros = 0;
  if (std::sscanf(line.c_str() + at + word.size(), " %lld.%lld", &seconds, &micros) != 2) return {};
  return std::chrono::seconds(seconds) + std::chrono::microseconds(micros);
}

}  // namespace

Registrar::Registrar(const std::string& folder, const RegistrarOptions& options)
    : options_(options),
      folder_(make_folder(folder + "/kamailio")),
      certificate_(folder_ + "/both.pem"),
      tcp_(free_port()),
      tls_(free_port()) {
  const std::string key = folder_ + "/key.pem";
  EXPECT_TRUE(io::make_self_signed(certificate_, key, {options.address}));
  const std::string key_text = text_of(key);
  std::ofstream(certificate_, std::ios::app) << key_text;
  std::ofstream(folder_ + "/kamailio.cfg") << registrar_config(certificate_, tcp_, tls_, options);
  start();
}

void Registrar::start() {
  program_ = std::make_unique<PeerProgram>(
      there({find_program("kamailio"), "-f", folder_ + "/kamailio.cfg", "-DD", "-E", "-m", "64",
             "-M", "8", "-Y", folder_}),
      folder_ + "/log");
  EXPECT_TRUE(wait_port(tcp_, address())) << program_->output();
  EXPECT_TRUE(wait_port(tls_, address())) << program_->output();
}

std::vector<std::string> Registrar::there(const std::vector<std::string>& command) const {
  std::vector<std::string> whole = options_.enter;
  whole.insert(whole.end(), command.begin(), command.end());
  return whole;
}

void Registrar::wait_registrations(int count) {
  while (registrations() < count) {
    if (program_->wait_line("STORED ").empty()) return;
  }
}

std::chrono::microseconds Registrar::next_ring() {
  const auto sent = time_in(program_->wait_line("SENT "), "SENT");
  const auto rung = time_in(program_->wait_line("REPLY 180 "), "REPLY 180");
  return rung - sent;
}

std::vector<std::string> baresip(const std::string& folder, const std::string& user,
                                 const Registrar& registrar, const PhoneOptions& options) {
  const std::string own = make_folder(folder + "/baresip-" + user);
  const std::uint16_t port = options.tls ? registrar.tls() : registrar.tcp();
  const char* transport = options.tls ? "tls" : "tcp";
  std::ofstream(own + "/config") << fmt::format(R"cfg(poll_method epoll
sip_listen {3}:0
sip_certificate {0}
call_local_timeout 120
call_max_calls 4
audio_path /usr/share/baresip
audio_player aubridge,br0
audio_source aubridge,br0
audio_alert aubridge,br1
ausrc_srate 8000
auplay_srate 8000
audio_level no
rtp_ports {1}-{2}
jitter_buffer_delay 5-10
net_interface {3}
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app debug_cmd.so
)cfg",
                                                registrar.certificate(), options.rtp_first,
                                                options.rtp_first + 200, options.address);
  std::ofstream(own + "/accounts") << fmt::format(
      "<sip:{0}@{5}:{1};transport={2}>;auth_pass=secret;"
      "outbound=\"sip:{5}:{1};transport={2}\";audio_codecs=PCMU/8000/1;"
      "answermode={3};regint={4}\n",
      user, port, transport, options.answers ? "auto" : "manual", options.expires.count(),
      registrar.address());
  std::ofstream(own + "/contacts");
  return {"stdbuf", "-oL", "baresip", "-f", own, "-s"};
}

std::unique_ptr<PeerProgram> call(const std::string& folder, const Registrar& registrar,
                                  const std::string& user, const CallOptions& options) {
  std::vector<std::string> command = {
      "sipp",     fmt::format("{}:{}", registrar.address(), registrar.tcp()),
      "-sf",      WAKELINE_SIP_CALL,
      "-s",       user,
      "-t",       "t1",
      "-i",       registrar.address(),
      "-p",       std::to_string(free_port()),
      "-mp",      std::to_string(free_port()),
      "-m",       "1",
      "-l",       "1",
      "-d",       std::to_string(options.length.count()),
      "-nostdin", "-timeout",
      "60",       "-timeout_error"};
  if (options.media) command.emplace_back("-rtp_echo");
  return std::make_unique<PeerProgram>(registrar.there(command), folder + "/sipp.log",
                                       std::vector<std::string>{"TERM=dumb"});
}

}  // namespace wakeline::peers
