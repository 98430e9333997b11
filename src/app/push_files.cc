// SPDX-License-Identifier: Apache-2.0
#include "app/push_files.h"

#include <errno.h>
#include <stdio.h>

#include <algorithm>
#include <utility>

#include "app/errors.h"
#include "base/log.h"
#include "io/boot.h"
#include "io/clock.h"
#include "io/file.h"

namespace wakeline::app {
namespace {

/// What an earlier run left in a file of `limit` bytes at most; an empty one where there was none.
template <class State, class Decode>
Result<State> read_state(const std::string& file, std::size_t limit, Decode decode) {
  const auto text = io::read_file(file, limit);
  if (!text && text.error().code == base::ErrorCode::kNotFound) return State{};
  if (!text && text.error().code != base::ErrorCode::kTooLarge) {
    return to_public(text.error(), file);
  }
  auto state = text ? decode(*text) : base::Result<State>(base::fail(text.error()));
  if (state) return std::move(*state);
  // No crash tears it, so somebody else wrote it. An app that never rings again would be worse than
  // a push that rings twice: it is set aside, and the server says what it still keeps.
  const std::string aside = file + ".corrupt";
  base::log(base::LogLevel::kError, "link", "{}: {}; moved to {}", file,
            base::to_string(state.error()), aside);
  if (::rename(file.c_str(), aside.c_str()) != 0) {
    return to_public(base::os_error("rename", errno), file);
  }
  return State{};
}

}  // namespace

std::string default_state_file(const PushClient::Options& options) {
  std::string name = options.device + "@" + options.host + ":" + std::to_string(options.port);
  std::ranges::replace(name, '/', '_');
  return io::default_state_folder() + "/push/" + name;
}

base::Duration boot_to_wall() {
  return io::wall_now().time_since_epoch() - io::now().time_since_epoch();
}

link::FileTime time_of_file(base::WallTime earliest) {
  const base::WallTime wall = io::wall_now();
  return {io::boot_id(), io::now(), wall < earliest ? base::WallTime{} : wall};
}

Result<link::Memory> read_memory(const std::string& file) {
  return read_state<link::Memory>(file, link::kMemoryTextMax, [](std::string_view text) {
    return link::decode_memory(text, boot_to_wall());
  });
}

Result<link::OutboxFile> read_outbox(const std::string& file) {
  const link::FileTime now = time_of_file({});
  auto outbox = read_state<link::OutboxFile>(
      file, link::kOutboxTextMax,
      [&now](std::string_view text) { return link::decode_outbox(text, now); });
  if (!outbox || outbox->messages.empty() || outbox->written.boot == now.boot) return outbox;
  const auto written =
      io::write_file(file, link::encode(outbox->messages, time_of_file(outbox->written.wall)));
  if (!written)  // as it is, it serves this run
    base::log(base::LogLevel::kWarning, "link",
              "{}: {}; the age of its messages is kept by the "
              "wall clock alone",
              file, base::to_string(written.error()));
  return outbox;
}

Result<io::WebPushKeys> read_keys(const std::string& file) {
  constexpr std::size_t kKeysMax = 1'024;
  const auto text = io::read_file(file, kKeysMax);
  if (text) {
    auto keys = io::WebPushKeys::from_text(*text);
    if (!keys) return to_public(keys.error(), file);
    return *keys;
  }
  if (text.error().code != base::ErrorCode::kNotFound) return to_public(text.error(), file);
  auto keys = io::WebPushKeys::generate();
  if (!keys) return to_public(keys.error(), file);
  if (const auto written = io::write_file(file, keys->text()); !written)
    return to_public(written.error(), file);
  return *keys;
}

}  // namespace wakeline::app
