// SPDX-License-Identifier: Apache-2.0
#include "peers/xmpp_setup.h"

#include <fmt/format.h>
#include <unistd.h>

namespace wakeline::bench {

std::string prosody_config(const ProsodySetup& setup) {
  return fmt::format(R"(daemonize = false
pidfile = '{0}/prosody.pid'
data_path = '{0}/data'
run_as_root = true
modules_enabled = {{ 'roster'; 'saslauth'; 'tls'; 'disco'; 'ping'; 'smacks'; 'offline'; 'posix' }}
modules_disabled = {{ 's2s'; 's2s_auth_certs' }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = 'internal_plain'
storage = 'internal'
c2s_interfaces = {{ '127.0.0.1' }}
c2s_ports = {{ {1} }}
c2s_direct_tls_ports = {{}}
legacy_ssl_ports = {{}}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
ssl = {{ certificate = '{0}/certificate.pem'; key = '{0}/key.pem' }}
smacks_hibernation_time = {2}
smacks_max_unacked_stanzas = 0
network_settings = {{ read_timeout = {3} }}
log = {{ info = '*console' }}
VirtualHost 'localhost'
)",
                     setup.folder, setup.port, setup.hibernation_s, setup.read_timeout_s);
}

std::vector<std::string> prosody_command(const std::string& program, const std::string& config,
                                         const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {program};
  if (::geteuid() == 0) command.emplace_back("--root");
  command.insert(command.end(), {"--config", config});
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace wakeline::bench
