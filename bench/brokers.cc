// SPDX-License-Identifier: Apache-2.0
#include "brokers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/json.hpp>

#include "bed.h"
#include "io/file.h"
#include "io/tls.h"
#include "loopback.h"
#include "server/tokens.h"
#include "store/database.h"

namespace wakeline::bench {

using cli::Outcome;

namespace {

Outcome<void> register_devices(const std::string& store, std::size_t count) {
  const auto failed = [](base::Error error) {
    return std::unexpected("store: " + base::to_string(error));
  };
  auto database = store::Database::open(store, store::Database::Mode::kWrite);
  if (!database) return failed(database.error());
  auto add =
      database->prepare("INSERT INTO devices (name, token_hash, created) VALUES (?1, ?2, 0)");
  if (!add) return failed(add.error());
  if (auto ran = database->run("BEGIN"); !ran) return failed(ran.error());
  const auto hash = server::hash_token(base::as_bytes(kDeviceToken));
  for (std::size_t i = 0; i < count; ++i) {
    if (auto ran = add->with(kDevicePrefix + std::to_string(i), base::BytesView(hash)).run(); !ran)
      return failed(ran.error());
  }
  if (auto ran = database->run("COMMIT"); !ran) return failed(ran.error());
  return {};
}

/// The process and its children.
std::vector<pid_t> family_of(pid_t pid) {
  std::vector<pid_t> all = {pid};
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", all[i]));
    for (pid_t child = 0; file >> child;) all.push_back(child);
  }
  return all;
}

Outcome<Broker> start_program(Broker broker, const std::vector<std::string>& words,
                              const std::string& log,
                              const std::vector<std::string>& environment = {}) {
  auto program = cli::Program::start(words, log, environment);
  if (!program) return std::unexpected(program.error());
  broker.program = std::move(*program);
  if (auto open = await_port(broker.plain); !open)
    return std::unexpected(open.error() + "; see its log:\n" +
                           io::read_file(log, 4'096).value_or(""));
  return broker;
}

Outcome<Broker> start_mosquitto(const Folder& folder, const Broker& ours) {
  Broker broker{.name = "mosquitto", .program = {}};
  broker.plain = free_port();
  broker.tls = free_port();
  broker.ca_file = ours.ca_file;
  const std::string config = folder.file("mosquitto.conf");
  std::ofstream(config)
      << "user root\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n"
      << "max_inflight_messages 0\nlog_type error\nset_tcp_nodelay true\n"
      << "listener " << broker.plain << " 127.0.0.1\n"
      << "listener " << broker.tls << " 127.0.0.1\ncertfile " << ours.ca_file << "\nkeyfile "
      << folder.file("wakeline/key.pem") << "\n";
  return start_program(std::move(broker), {"/usr/sbin/mosquitto", "-c", config},
                       folder.file("mosquitto.log"));
}

Outcome<Broker> start_nats(const Folder& folder, const Broker&) {
  Broker broker{.name = "nats", .program = {}, .version = wire::mqtt::Version::k311};
  broker.plain = free_port();
  const std::string config = folder.file("nats.conf");
  std::ofstream(config) << "listen: \"127.0.0.1:" << free_port() << "\"\nserver_name: bench\n"
                        << "max_connections: 1000000\n"
                        << "jetstream { store_dir: \"" << folder.file("nats") << "\" }\n"
                        << "mqtt { listen: \"127.0.0.1:" << broker.plain << "\" }\n";
  // Its topics have "/" for ".", and each QoS 1 subscriber a consumer of its own.
  broker.delivers = false;
  return start_program(std::move(broker), {"/usr/sbin/nats-server", "-c", config},
                       folder.file("nats.log"));
}

Outcome<Broker> start_ejabberd(const Folder& folder, const Broker&) {
  Broker broker{.name = "ejabberd", .program = {}};
  broker.plain = free_port();
  const std::string config = folder.file("ejabberd.yml");
  std::ofstream(config) << "hosts: [localhost]\nloglevel: error\nauth_method: [anonymous]\n"
                        << "allow_multiple_connections: true\nanonymous_protocol: login_anon\n"
                        << "listen:\n  - port: " << broker.plain
                        << "\n    ip: \"127.0.0.1\"\n    module: mod_mqtt\n    backlog: 1000\n"
                        << "modules:\n  mod_mqtt: {}\n";
  // Its own command would run it as another user, who cannot read our folder.
  std::string libraries;
  std::error_code error;
  for (const auto& folder_of_arch : std::filesystem::directory_iterator("/usr/lib", error)) {
    if (folder_of_arch.path().filename().string().ends_with("-linux-gnu"))
      libraries = folder_of_arch.path();
  }
  return start_program(std::move(broker),
                       {"/usr/bin/erl", "+K", "true", "+P", "250000", "-noinput", "-mnesia", "dir",
                        "\"" + folder.file("ejabberd") + "\"", "-s", "ejabberd"},
                       folder.file("ejabberd.log"),
                       {"HOME=" + folder.path(), "EJABBERD_CONFIG_PATH=" + config,
                        "EJABBERD_LOG_PATH=" + folder.file("ejabberd-own.log"),
                        "ERL_MAX_PORTS=32000", "ERL_LIBS=" + libraries});
}

Outcome<Broker> start_redis(const Folder& folder, const Broker&) {
  Broker broker{.name = "redis", .program = {}, .greeting = [](const std::string& name) {
                  return "SUBSCRIBE " + name + "\r\n";
                }};
  broker.plain = free_port();
  broker.delivers = false;
  const std::string port = std::to_string(broker.plain);
  return start_program(
      std::move(broker),
      {"/usr/bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--maxclients",
       "1000000", "--protected-mode", "no", "--dir", folder.file("")},
      folder.file("redis.log"));
}

Outcome<Broker> start_nchan(const Folder& folder, const Broker&) {
  Broker broker{.name = "nchan", .program = {}, .greeting = [](const std::string& name) {
                  return "GET /sub/" + name +
                         " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
                }};
  broker.plain = free_port();
  broker.delivers = false;
  const std::string config = folder.file("nginx.conf");
  std::ofstream(config) << "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;\n"
                        << "daemon off;\nuser root;\nworker_processes 1;\npid "
                        << folder.file("nginx.pid") << ";\nerror_log " << folder.file("nginx.err")
                        << ";\nevents { worker_connections 1000000; }\n"
                        << "http { access_log off; server { listen 127.0.0.1:" << broker.plain
                        << " backlog=1000; location ~ ^/sub/(.*)$ { nchan_subscriber; "
                        << "nchan_channel_id $1; } } }\n";
  return start_program(std::move(broker), {"/usr/sbin/nginx", "-p", folder.file(""), "-c", config},
                       folder.file("nginx.log"));
}

}  // namespace

double anonymous_bytes(pid_t pid) {
  double sum = 0;
  for (const pid_t one : family_of(pid)) {
    std::ifstream file(fmt::format("/proc/{}/smaps_rollup", one));
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("Pss_Anon:")) sum += std::atof(line.c_str() + 9) * 1024;
    }
  }
  return sum;
}

double processor_ms(pid_t pid) {
  double sum = 0;
  for (const pid_t one : family_of(pid)) {
    std::error_code error;
    for (const auto& thread :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", one), error)) {
      std::ifstream file(thread.path() / "schedstat");
      double run_ns = 0;
      file >> run_ns;
      sum += run_ns / 1e6;
    }
  }
  return sum;
}

Outcome<Broker> start_wakeline(const Folder& folder, const OurOptions& options) {
  Broker broker{.name = "wakeline", .program = {}, .durable = options.durable};
  const std::string data = folder.file("wakeline");
  const std::string ready = folder.file("ready.json");
  const std::string log = folder.file("wakeline.log");
  const std::string config = folder.file("server.toml");
  std::ofstream(config)
      << "[listen]\nmqtt = \"127.0.0.1:0\"\nmqtts = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n"
      << "https = \"off\"\n[limits]\narriving_per_address_max = 1000000\n"
      << "connections_max = 4000000\nshards = " << options.shards
      << "\nfile_tables = " << (options.file_tables ? "true" : "false")
      << "\n[push]\ndurable = " << (options.durable ? "true" : "false")
      << "\n[log]\nlevel = \"warning\"\n";
  std::error_code error;
  const std::string self = beside("wakeline");
  std::filesystem::remove(ready, error);
  auto program = cli::Program::start(
      {self, "server", "--data-folder", data, "--config", config, "--ready-file", ready}, log);
  if (!program) return std::unexpected(program.error());
  broker.program = std::move(*program);
  const auto text = cli::await_ready_file(ready, broker.program, log);
  if (!text) return std::unexpected(text.error());
  boost::system::error_code bad;
  const auto ports = boost::json::parse(*text, bad);
  if (bad) return std::unexpected("the ready file is no JSON");
  const auto port = [&](const char* key) {
    return static_cast<std::uint16_t>(ports.at(key).to_number<int>());
  };
  broker.plain = port("mqtt");
  broker.tls = port("mqtts");
  broker.http = port("http");
  broker.ca_file = data + "/certificate.pem";
  auto token = io::read_file(data + "/admin-token", 200);
  if (!token) return std::unexpected("admin-token: " + base::to_string(token.error()));
  broker.bearer = token->substr(0, token->find('\n'));
  if (auto made = register_devices(data + "/store.db", options.devices); !made)
    return std::unexpected(made.error());
  return broker;
}

Outcome<Broker> start_floor(const Folder& folder, bool durable) {
  Broker broker{.name = "floor", .program = {}, .delivers = false};
  const std::string log = folder.file("holder.log");
  broker.ca_file = folder.file("holder-certificate.pem");
  const std::string key = folder.file("holder-key.pem");
  std::error_code ignored;  // of a floor before this one
  for (const std::string& file : {broker.ca_file, key, log}) std::filesystem::remove(file, ignored);
  if (auto made = io::make_self_signed(broker.ca_file, key, {"localhost"}); !made)
    return std::unexpected("certificate: " + base::to_string(made.error()));
  std::vector<std::string> words = {beside("bench-holder"), broker.ca_file, key};
  if (durable) words.push_back(folder.file("holder-journal"));
  auto program = cli::Program::start(words, log);
  if (!program) return std::unexpected(program.error());
  broker.program = std::move(*program);
  for (int i = 0; i < 500; ++i) {
    std::ifstream file(log);
    unsigned plain = 0;
    unsigned tls = 0;
    if (file >> plain >> tls) {
      broker.plain = static_cast<std::uint16_t>(plain);
      broker.tls = static_cast<std::uint16_t>(tls);
      return broker;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::unexpected("bench-holder did not tell its ports");
}

const std::vector<Peer>& peers() {
  static const std::vector<Peer> kPeers = {
      {"mosquitto", "/usr/sbin/mosquitto", "mosquitto", start_mosquitto},
      {"nats", "/usr/sbin/nats-server", "nats-server", start_nats},
      {"ejabberd", "/usr/sbin/ejabberdctl", "ejabberd", start_ejabberd},
      {"redis", "/usr/bin/redis-server", "redis-server", start_redis},
      {"nchan", "/usr/lib/nginx/modules/ngx_nchan_module.so", "libnginx-mod-nchan", start_nchan},
  };
  return kPeers;
}

}  // namespace wakeline::bench
