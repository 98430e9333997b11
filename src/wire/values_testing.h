// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

/// Random values for the property tests of wire; each call draws from RapidCheck's current run.
namespace wakeline::wire::test_values {

template <class T>
T any() {
  return *rc::gen::arbitrary<T>();
}
/// From `least` to `most`, both included.
template <class T>
T from(T least, T most) {
  // At full size from the first case on, or the early ones would draw from the low end alone.
  return static_cast<T>(*rc::gen::resize(
      rc::kNominalSize, rc::gen::inRange<std::uint64_t>(static_cast<std::uint64_t>(least),
                                                        static_cast<std::uint64_t>(most) + 1)));
}
/// True once in three times.
inline bool sometimes() { return from(0, 2) == 0; }

/// UTF-8 of every length, with what needs an escape in JSON; at most `most` bytes.
inline std::string any_text(std::size_t most = 40, std::size_t least = 0) {
  const auto piece =
      rc::gen::element<std::string>("a", "Z", "0", "/", "\"", "\\", "\n", "\x01", " ", "$",
                                    "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\x94");
  std::string text;
  for (const std::string& one : *rc::gen::container<std::vector<std::string>>(piece)) {
    if (text.size() + one.size() <= most) text += one;
  }
  if (text.size() < least) text.append(least - text.size(), 'x');
  return text;
}
inline base::Bytes any_bytes() { return any<base::Bytes>(); }

/// Fills an optional, or not.
template <class T, class Make>
void set(std::optional<T>& slot, Make make) {
  if (sometimes()) slot = make();
}

}  // namespace wakeline::wire::test_values
