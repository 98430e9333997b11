// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "server/http_parser.h"

namespace {

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

constexpr std::size_t kBodyMax = 1'000;

struct Seen {
  std::vector<std::string> requests;
  unsigned refused = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

/// As HttpFront feeds it: what was not consumed comes again, with more behind it.
Seen read_in(base::BytesView all, std::size_t piece) {
  server::HttpParser parser(kBodyMax);
  Seen seen;
  base::Bytes kept;
  while (!all.empty() && seen.refused == 0) {
    const base::BytesView next = all.first(std::min(piece, all.size()));
    kept.insert(kept.end(), next.begin(), next.end());
    all = all.subspan(next.size());
    for (;;) {
      const auto progress = parser.feed(kept);
      WL_CHECK(progress.consumed <= kept.size());
      kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
      seen.refused = progress.refused;
      if (progress.refused != 0) break;
      // Nothing is kept beyond a header's size and the body's.
      WL_CHECK_MSG(progress.complete || kept.size() <= server::kHttpHeaderMax, "kept={}",
                   kept.size());
      if (!progress.complete) break;
      const server::HttpRequest request = parser.take();
      WL_CHECK(request.body.size() <= kBodyMax);
      std::string line = request.method + " " + request.target + "\n";
      for (const auto& [name, value] : request.fields) line.append(name) += ": " + value + "\n";
      seen.requests.push_back(line + request.body);
      if (kept.empty()) break;
    }
  }
  return seen;
}

}  // namespace

/// Requests are the same in pieces of any size, and never larger than they may be.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const base::BytesView all(data + 1, size - 1);
  const Seen whole = read_in(all, all.size() + 1);
  const Seen pieces = read_in(all, std::size_t{data[0]} + 1);
  // One that is refused may be refused before, or after, others are complete; not another way.
  if (whole.refused == 0) WL_CHECK(pieces == whole);
  return 0;
}
