// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "core/session/session.h"
#include "server/upgrade.h"

/// What another process hands over is read within its bytes, and a session that is taken is one
/// that can be handed on.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  server::Inheritance all;
  const auto last = server::take_message(base::BytesView(data, size), io::UniqueFd(), all);
  if (!last || all.devices.empty()) return 0;
  server::FrozenDevice& device = all.devices.front();
  WL_CHECK(device.name.size() + device.session.size() + device.line.frames.size() +
               device.line.packets.size() + device.line.unsent.size() <=
           size);
  const auto session = session::Session::thaw(device.session);
  if (!session) return 0;
  base::Bytes frozen;
  session->freeze(frozen);
  WL_CHECK(session::Session::thaw(frozen).has_value());
  return 0;
}
