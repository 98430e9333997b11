// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <variant>

#include "base/check.h"
#include "wire/mqtt.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// Reads a stream of packets; the input's first byte chooses the version. What can be read whole
/// can be written, no longer than it came, and reads as the same packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace mqtt = wire::mqtt;
  if (size == 0) return 0;
  const mqtt::Version version = (data[0] & 1) != 0 ? mqtt::Version::k5 : mqtt::Version::k311;
  base::BytesView input(data + 1, size - 1);
  while (true) {
    const auto decoded = mqtt::decode(input, version);
    if (!decoded || decoded->consumed == 0) return 0;
    WL_CHECK(decoded->consumed <= input.size() && decoded->consumed <= mqtt::kPacketMax);
    const auto* connect = std::get_if<mqtt::Connect>(&decoded->packet);
    const mqtt::Version spoken = connect != nullptr ? connect->version : version;

    base::Bytes bytes;
    const auto written = mqtt::encode(decoded->packet, spoken, bytes);
    if (mqtt::is_cut(decoded->packet)) {
      WL_CHECK(!written.has_value());
      input = input.subspan(decoded->consumed);
      continue;
    }
    WL_CHECK_MSG(written.has_value(), "{}", mqtt::to_line(decoded->packet));
    WL_CHECK_MSG(bytes.size() <= decoded->consumed, "{}", mqtt::to_line(decoded->packet));
    const auto again = mqtt::decode(bytes, spoken);
    WL_CHECK_MSG(again.has_value(), "{}", mqtt::to_line(decoded->packet));
    WL_CHECK_MSG(again->packet == decoded->packet, "{} became {}", mqtt::to_line(decoded->packet),
                 mqtt::to_line(again->packet));
    input = input.subspan(decoded->consumed);
  }
}
