// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <charconv>

#include <boost/asio/ip/address.hpp>

namespace wakeline::server {

base::Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto malformed = base::fail(base::ErrorCode::kMalformed, "endpoint");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (brackets) address = address.substr(1, address.size() - 2);
  Endpoint endpoint{.address = std::string(address)};
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(endpoint.address, error);
  if (error || parsed.is_v6() != brackets) return malformed;
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (failed != std::errc() || end != port.data() + port.size()) return malformed;
  return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" +
         std::to_string(endpoint.port);
}

std::string to_string(const Failure& failure) {
  return failure.what + ": " + base::to_string(failure.error);
}

}  // namespace wakeline::server
