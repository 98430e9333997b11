// SPDX-License-Identifier: Apache-2.0
#include "clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <thread>

#include "io/clock.h"
#include "io/file.h"

namespace wakeline::bench {
namespace {

/// Of asking for the next line; its time stands in the line.
constexpr auto kAskAgain = std::chrono::milliseconds(2);

/// Takes the last word of a line, a number.
std::optional<std::int64_t> take_number(std::string& line) {
  const auto space = line.rfind(' ');
  if (space == std::string::npos) return std::nullopt;
  std::int64_t value = 0;
  const char* end = line.data() + line.size();
  if (std::from_chars(line.data() + space + 1, end, value).ptr != end) return std::nullopt;
  line.resize(space);
  return value;
}

}  // namespace

template <class Wanted>
Outcome<ClientLine> ClientLines::find(Wanted wanted, const std::string& what,
                                      base::Duration timeout) {
  const base::Instant end = io::now() + timeout;
  for (;;) {
    std::ifstream file(file_, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(read_));
    for (std::string text; std::getline(file, text) && !file.eof();) {
      read_ += text.size() + 1;
      const auto wall = take_number(text);
      const auto monotonic = take_number(text);
      if (!wall || !monotonic) return std::unexpected("a client told nonsense: " + text);
      if (wanted(text)) return ClientLine{text, *monotonic, *wall};
    }
    if (io::now() >= end) return std::unexpected("no client told '" + what + "' in time");
    std::this_thread::sleep_for(kAskAgain);
  }
}

Outcome<ClientLine> ClientLines::await(const std::string& words, base::Duration timeout) {
  return find([&](const std::string& text) { return text.starts_with(words); }, words, timeout);
}

Outcome<ClientLine> ClientLines::await_other(const std::string& words, base::Duration timeout) {
  return find([&](const std::string& text) { return !text.starts_with(words); },
              "other than " + words, timeout);
}

std::vector<std::string> client_command(const std::string& program, const Folder& folder,
                                        const std::string& name, const Broker& broker,
                                        std::uint16_t port, int number) {
  return {beside(program),
          folder.file(name + ".lines"),
          "localhost",
          std::to_string(port),
          kDevicePrefix + std::to_string(number),
          kDeviceToken,
          broker.ca_file,
          folder.file(name + ".state")};
}

Outcome<void> await_asleep(Bed& bed, const std::string& app, base::Duration timeout) {
  constexpr auto kAskHostAgain = std::chrono::milliseconds(5);
  const base::Instant end = io::now() + timeout;
  for (;;) {
    const auto apps = bed.control().list();
    if (!apps) return std::unexpected("the host does not answer: " + apps.error().message);
    const auto found = std::ranges::find(*apps, app, &wire::host::AppInfo::app);
    if (found == apps->end()) return std::unexpected("the host does not know " + app);
    if (found->state == wire::host::AppState::kSuspended) return {};
    if (found->state == wire::host::AppState::kStopped || io::now() > end)
      return std::unexpected(
          fmt::format("{} is {}, not suspended", app, wire::host::name(found->state)));
    std::this_thread::sleep_for(kAskHostAgain);
  }
}

Outcome<Client> Client::start(const std::string& program, const Folder& folder,
                              const std::string& name, const Broker& broker, std::uint16_t port,
                              int number) {
  const std::string log = folder.file(name + ".log");
  auto started = cli::Program::start(client_command(program, folder, name, broker, port, number),
                                     log, {"WAKELINE_HOST=", "WAKELINE_LOG=error"});
  if (!started) return std::unexpected(started.error());
  Client client{std::move(*started), ClientLines(folder.file(name + ".lines"))};
  if (const auto ready = client.lines.await("ready"); !ready)
    return std::unexpected(program + ": " + ready.error() + "; its log:\n" +
                           io::read_file(log, 4'096).value_or(""));
  return client;
}

}  // namespace wakeline::bench
