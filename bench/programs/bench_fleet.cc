// SPDX-License-Identifier: Apache-2.0
// Many devices in a process of its own: a limit of open files is one of a process.
//   bench-fleet PORT PREFIX FIRST COUNT TOKEN [CA_FILE]
// Connects them and writes "ready SECONDS". Then, by words on its standard input:
//   back MS    from now on a device whose connection ends comes back, within MS where it was told
//              nothing else
//   await N    serves until N different messages have come since the last "await", answers
//              "got MESSAGES COPIES"
//   return     serves until all have been gone once and are back, answers
//              "back SECONDS ATTEMPTS BUSY DRAIN LONGEST_MS"
// When its standard input ends it serves until it is ended; it says "failed: …" when something
// fails.
#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "fleet.h"
#include "io/clock.h"

namespace {

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program
using std::chrono::duration;

constexpr base::Duration kPatience = std::chrono::minutes(5);

int failed(const std::string& why) {
  std::printf("failed: %s\n", why.c_str());
  return 1;
}

/// A line of standard input, for which the devices are served while it does not come.
bool next_line(bench::Fleet& fleet, std::string& line, std::string& why) {
  line.clear();
  for (;;) {
    bool there = false;
    const auto served = fleet.serve(nullptr, [&] {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      there = ::poll(&input, 1, 0) > 0;
      return there;
    });
    if (!served) {
      why = served.error();
      return false;
    }
    char c = 0;
    if (::read(STDIN_FILENO, &c, 1) != 1) return false;
    if (c == '\n') return true;
    line += c;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 6) return 2;
  bench::FleetTarget target{.port = static_cast<std::uint16_t>(std::atoi(argv[1])),
                            .tls = nullptr,
                            .prefix = argv[2],
                            .token = argv[5],
                            .first = static_cast<std::size_t>(std::atol(argv[3]))};
  const auto count = static_cast<std::size_t>(std::atol(argv[4]));
  if (argc > 6) {
    auto tls = io::TlsContext::client(argv[6]);
    if (!tls) return failed(base::to_string(tls.error()));
    target.tls = *tls;
  }
  const std::uint64_t seed = target.first + 1;
  auto fleet = bench::Fleet::make(std::move(target));
  if (!fleet) return failed(fleet.error());
  const auto took = (*fleet)->grow(count);
  if (!took) return failed(took.error());
  std::printf("ready %.3f\n", *took);
  std::string line;
  std::string why;
  while (next_line(**fleet, line, why)) {
    const auto number =
        static_cast<std::size_t>(std::atol(line.substr(line.find(' ') + 1).c_str()));
    const base::Instant start = io::now();
    const auto late = [&] { return io::now() - start > kPatience; };
    if (line.starts_with("back ")) {
      (*fleet)->come_back(std::chrono::milliseconds(number), seed);
    } else if (line.starts_with("await ")) {
      std::unordered_set<std::string> got;
      std::size_t copies = 0;
      const bench::Fleet::OnPush on_push = [&](std::size_t device, base::BytesView payload) {
        ++copies;
        got.insert(std::to_string(device) + " " + std::string(base::as_text(payload)));
      };
      const auto served = (*fleet)->serve(on_push, [&] { return got.size() >= number || late(); });
      if (!served) return failed(served.error());
      std::printf("got %zu %zu\n", got.size(), copies);
    } else if (line == "return") {
      bool gone = false;
      const auto served = (*fleet)->serve(nullptr, [&] {
        gone = gone || (*fleet)->returns().attempts >= count;
        return late() || (gone && (*fleet)->ready() == count);
      });
      if (!served) return failed(served.error());
      if (late()) return failed("not all came back");
      const auto& returns = (*fleet)->returns();
      std::printf(
          "back %.3f %zu %zu %zu %lld\n", duration<double>(io::now() - start).count(),
          returns.attempts, returns.told_busy, returns.told_drain,
          static_cast<long long>(
              std::chrono::duration_cast<std::chrono::milliseconds>(returns.longest).count()));
    } else {
      return failed("unknown word: " + line);
    }
  }
  if (!why.empty()) return failed(why);
  const auto served = (*fleet)->serve(nullptr, [] { return false; });
  return failed(served.error());
}
