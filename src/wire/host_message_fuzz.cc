// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/host_message.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// What can be read can be written, and reads as the same message; what is wrong can be told to its
/// sender.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace host = wire::host;
  const auto message = host::decode({reinterpret_cast<const char*>(data), size});
  if (!message) {
    const host::MessageError& error = message.error();
    const host::Reply reply{error.request, error.code, error.field + ": " + error.message, 0};
    WL_CHECK_MSG(host::encode(reply).has_value(), "{}", reply.message);
    return 0;
  }
  const auto datagram = host::encode(*message);
  WL_CHECK(datagram.has_value());
  const auto again = host::decode(*datagram);
  WL_CHECK_MSG(again.has_value() && *again == *message, "{}", *datagram);
  return 0;
}
