// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <boost/json.hpp>

#include "base/bytes.h"
#include "server_peers.h"
#include "server_process.h"

namespace wakeline::test {

/// What the app server finds: bodies, and how often each.
inline std::map<std::string, int> reported_bodies(server::ServerProcess& server) {
  std::map<std::string, int> bodies;
  std::uint64_t after = 0;
  for (;;) {
    server::HttpPeer peer{server::Line(server.ports.http)};
    const auto answer = peer.ask(server::request_text(
        "GET", "/v1/reports?after=" + std::to_string(after), "Bearer " + server.admin_token(), ""));
    EXPECT_EQ(answer.status, 200U);
    const auto reports = boost::json::parse(answer.body).at("reports").as_array();
    if (reports.empty()) return bodies;
    for (const auto& report : reports) {
      const auto body = base::from_base64url(std::string(report.at("body").as_string()));
      ++bodies[std::string(base::as_text(body.value()))];
      after = report.at("id").to_number<std::uint64_t>();
    }
  }
}

}  // namespace wakeline::test
