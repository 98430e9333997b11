// SPDX-License-Identifier: Apache-2.0
#include "sip_peers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/peers/sip_setup.h"
#include "io/tls.h"

namespace wakeline::peers {
namespace {

std::string make_folder(const std::string& path) {
  std::filesystem::create_directories(path);
  return path;
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
  std::ofstream(folder_ + "/kamailio.cfg")
      << bench::kamailio_config({.address = options.address,
                                 .tcp = tcp_,
                                 .tls = tls_,
                                 .certificate = certificate_,
                                 .min_expires = options.min_expires,
                                 .pings = options.pings});
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
  const std::string own = folder + "/baresip-" + user;
  const auto written =
      bench::write_baresip(own, {.user = user,
                                 .address = options.address,
                                 .registrar = registrar.address(),
                                 .port = options.tls ? registrar.tls() : registrar.tcp(),
                                 .tls = options.tls,
                                 .certificate = registrar.certificate(),
                                 .answers = options.answers,
                                 .expires = options.expires,
                                 .rtp_first = options.rtp_first});
  EXPECT_TRUE(written) << written.error();
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
