// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include "base/check.h"

namespace wakeline::base {
namespace {

std::uint64_t rotate_left(std::uint64_t value, int count) {
  return (value << count) | (value >> (64 - count));
}

}  // namespace

Random::Random(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {
    seed += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = rotate_left(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate_left(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  WL_CHECK(bound > 0);
  const std::uint64_t limit = (0 - bound) % bound;  // 2^64 mod bound: values below it are biased
  std::uint64_t value = next();
  while (value < limit) value = next();
  return value % bound;
}

Duration Random::between(Duration low, Duration high) {
  WL_CHECK(low <= high);
  const auto span = static_cast<std::uint64_t>((high - low).count());
  return low + Duration(static_cast<std::int64_t>(below(span + 1)));
}

bool Random::chance(std::uint64_t numerator, std::uint64_t denominator) {
  return below(denominator) < numerator;
}

}  // namespace wakeline::base
