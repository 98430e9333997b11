// SPDX-License-Identifier: Apache-2.0
#include "peers/sip_setup.h"

#include <fmt/format.h>

#include "io/file.h"

namespace wakeline::bench {
namespace {

std::string tls_part(const KamailioSetup& setup) {
  if (setup.certificate.empty()) return {};
  return fmt::format(R"cfg(enable_tls=yes
listen=tls:{}:{}
loadmodule "tls.so"
modparam("tls", "certificate", "{}")
modparam("tls", "private_key", "{}")
modparam("tls", "tls_method", "TLSv1.2+")
)cfg",
                     setup.address, setup.tls, setup.certificate, setup.certificate);
}

std::string ping_part(const KamailioSetup& setup) {
  if (setup.pings == std::chrono::seconds::zero()) return {};
  return fmt::format(R"cfg(modparam("usrloc", "ka_mode", 1)
modparam("usrloc", "ka_from", "sip:ping@{0}:{1}")
modparam("usrloc", "ka_domain", "{0}:{1}")
modparam("usrloc", "timer_interval", {2})
)cfg",
                     setup.address, setup.tcp, setup.pings.count());
}

/// Flows are kept: a request for a contact goes over the connection that it registered on, and no
/// other. No registration outlives its connection.
constexpr const char* kRoutes = R"cfg(
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  force_rport();
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) { route(RELAY); }
    else if (is_method("ACK")) { if (t_check_trans()) t_relay(); }
    else sl_send_reply("404", "Not here");
    exit;
  }
  t_check_trans();
  if (is_method("REGISTER")) {
    if (!pv_auth_check("$fd", "secret", "0", "1")) { auth_challenge("$fd", "0"); exit; }
    fix_nated_register();
    if (!save("location")) sl_reply_error();
    xlog("L_NOTICE", "STORED $tU from $si:$sp\n");
    exit;
  }
  if (is_method("INVITE")) record_route();
  if (!lookup("location")) {
    xlog("L_NOTICE", "NOTFOUND $rU\n");
    sl_send_reply("480", "Temporarily Unavailable");
    exit;
  }
  route(RELAY);
}
route[RELAY] {
  if (is_method("INVITE")) {
    t_on_reply("R");
    if (!has_totag()) xlog("L_NOTICE", "SENT $TV(Sn)\n");
  }
  set_forward_no_connect();
  if (!t_relay()) sl_reply_error();
  exit;
}
onreply_route[R] { xlog("L_NOTICE", "REPLY $rs $TV(Sn)\n"); }
)cfg";

}  // namespace

std::string kamailio_config(const KamailioSetup& setup) {
  return fmt::format(R"cfg(#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=2
socket_workers=1
disable_tcp=no
listen=tcp:{4}:{0}
auto_aliases=no
alias="{4}:{0}"
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
{1}modparam("usrloc", "db_mode", 0)
modparam("usrloc", "handle_lost_tcp", 1)
modparam("registrar", "received_avp", "$avp(RECEIVED)")
modparam("nathelper", "received_avp", "$avp(RECEIVED)")
modparam("registrar", "default_expires", 600)
modparam("registrar", "max_expires", 3600)
modparam("registrar", "min_expires", {2})
modparam("tm", "fr_timer", 30000)
modparam("tm", "fr_inv_timer", 120000)
modparam("xlog", "force_color", 0)
{3})cfg",
                     setup.tcp, tls_part(setup), setup.min_expires.count(), ping_part(setup),
                     setup.address) +
         kRoutes;
}

cli::Outcome<void> write_baresip(const std::string& folder, const BaresipSetup& setup) {
  const std::string config = fmt::format(
      R"cfg(poll_method epoll
sip_listen {0}:0
{1}call_local_timeout 120
call_max_calls 4
audio_path /usr/share/baresip
audio_player aubridge,br0
audio_source aubridge,br0
audio_alert aubridge,br1
ausrc_srate 8000
auplay_srate 8000
audio_level no
rtp_ports {2}-{3}
jitter_buffer_delay 5-10
net_interface {0}
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app debug_cmd.so
)cfg",
      setup.address,
      setup.certificate.empty() ? "" : fmt::format("sip_certificate {}\n", setup.certificate),
      setup.rtp_first, setup.rtp_first + 200);
  const std::string account = fmt::format(
      "<sip:{0}@{5}:{1};transport={2}>;auth_pass=secret;"
      "outbound=\"sip:{5}:{1};transport={2}\";audio_codecs=PCMU/8000/1;"
      "answermode={3};regint={4}\n",
      setup.user, setup.port, setup.tls ? "tls" : "tcp", setup.answers ? "auto" : "manual",
      setup.expires.count(), setup.registrar);
  if (!io::make_folder(folder) || !io::write_file(folder + "/config", config) ||
      !io::write_file(folder + "/accounts", account) || !io::write_file(folder + "/contacts", ""))
    return std::unexpected(folder + ": cannot be written");
  return {};
}

}  // namespace wakeline::bench
