// SPDX-License-Identifier: Apache-2.0
#include "cli/demo/parts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <boost/json.hpp>

#include "io/file.h"

namespace wakeline::cli::demo {
namespace {

constexpr std::size_t kSmallFileMax = 4'096;

}  // namespace

Outcome<Parts> Parts::create(std::string program, std::string doorbell) {
  const char* base_folder = std::getenv("TMPDIR");
  std::string pattern =
      std::string(base_folder != nullptr ? base_folder : "/tmp") + "/wakeline-demo-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return std::unexpected(pattern + ": cannot be made");
  Parts parts;
  parts.folder_ = pattern;
  parts.program_ = std::move(program);
  parts.doorbell_ = std::move(doorbell);
  return parts;
}

Parts::~Parts() {
  host_.stop();
  server_.stop();
  if (folder_.empty() || keep_folder_) return;
  std::error_code ignored;  // a file left in the temporary folder harms nobody
  std::filesystem::remove_all(folder_, ignored);
}

Outcome<void> Parts::start_server() {
  const std::string ready = folder_ + "/server.ready";
  const std::string log = folder_ + "/server.log";
  ::unlink(ready.c_str());
  // The second time the ports of the first are asked for: the app knows them.
  auto server = Program::start({program_, "server", "--data-folder", server_folder(), "--mqtts",
                                fmt::format("127.0.0.1:{}", mqtts_port_), "--https",
                                fmt::format("127.0.0.1:{}", https_port_), "--ready-file", ready},
                               log);
  if (!server) return std::unexpected(server.error());
  server_ = std::move(*server);
  const auto text = await_ready_file(ready, server_, log);
  if (!text) return std::unexpected(text.error());
  boost::system::error_code error;
  const boost::json::value ports = boost::json::parse(*text, error);
  const boost::json::object* object = error ? nullptr : ports.if_object();
  if (object == nullptr || !object->contains("mqtts") || !object->contains("https")) {
    return std::unexpected(ready + ": no ports in it");
  }
  mqtts_port_ = static_cast<int>(object->at("mqtts").to_number<int>(error));
  https_port_ = static_cast<int>(object->at("https").to_number<int>(error));
  auto token = io::read_file(server_folder() + "/admin-token", kSmallFileMax);
  if (!token)
    return std::unexpected(server_folder() + "/admin-token: " + base::to_string(token.error()));
  token_ = token->substr(0, token->find('\n'));
  return {};
}

Outcome<void> Parts::add_device() {
  const std::string log = folder_ + "/add-device.log";
  auto adding = Program::start(
      {program_, "server", "add-device", "doorbell", "--data-folder", server_folder(), "--host",
       "127.0.0.1", "--port", std::to_string(mqtts_port_), "--output", folder_ + "/doorbell.conf"},
      log);
  if (!adding) return std::unexpected(adding.error());
  if (adding->wait() != 0) return std::unexpected("the device could not be added; see " + log);
  return {};
}

Outcome<void> Parts::start_host() {
  const std::string apps = folder_ + "/apps";
  const std::string ready = folder_ + "/host.ready";
  const std::string log = folder_ + "/host.log";
  ::unlink(ready.c_str());
  if (const auto made = io::make_folder(apps); !made)
    return std::unexpected(apps + ": " + base::to_string(made.error()));
  const std::string manifest = fmt::format(
      "[Desktop Entry]\nType=Application\nName=Doorbell\nExec=\"{}\" \"{}/doorbell.conf\"\n"
      "X-Wakeline-BackgroundModes=voip;\nX-Wakeline-Environment=XDG_STATE_HOME={}/state;\n",
      doorbell_, folder_, folder_);
  if (const auto written = io::write_file(apps + "/doorbell.desktop", manifest); !written) {
    return std::unexpected(apps + ": " + base::to_string(written.error()));
  }
  auto host =
      Program::start({program_, "host", "--runtime-folder", runtime_folder(), "--state-folder",
                      folder_ + "/host", "--apps", apps, "--ready-file", ready},
                     log);
  if (!host) return std::unexpected(host.error());
  host_ = std::move(*host);
  if (const auto text = await_ready_file(ready, host_, log); !text)
    return std::unexpected(text.error());
  return {};
}

Outcome<HttpAnswer> Parts::push(const std::string& title, const std::string& body) const {
  const auto url = parse_url(push_url());
  const boost::json::object push{
      {"device", "doorbell"}, {"title", title}, {"body", body}, {"urgency", "high"}};
  auto answer = send_request(*url, "POST", token_, server_folder() + "/certificate.pem",
                             boost::json::serialize(push));
  if (!answer) return std::unexpected(push_url() + ": " + base::to_string(answer.error()));
  return *answer;
}

std::string Parts::curl_line() const {
  return fmt::format(
      "curl --cacert {0}/certificate.pem -H \"Authorization: Bearer $(cat {0}/admin-token)\" -H "
      "'Content-Type: application/json' "
      "-d '{{\"device\":\"doorbell\",\"title\":\"Someone is at the door\"}}' {1}",
      server_folder(), push_url());
}

}  // namespace wakeline::cli::demo
