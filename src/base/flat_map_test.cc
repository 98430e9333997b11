// SPDX-License-Identifier: Apache-2.0
#include "base/flat_map.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "base/random.h"

namespace wakeline::base {
namespace {

TEST(FlatMap, HoldsWhatAMapOfTheSameCallsHolds) {
  Random random(7);
  FlatMap<int, std::string> flat;
  std::map<int, std::string> tree;
  for (int i = 0; i < 10'000; ++i) {
    const auto key = static_cast<int>(random.below(50));
    const std::string text = std::to_string(i);
    if (random.below(2) == 0) {
      EXPECT_EQ(flat.emplace(key, text), tree.emplace(key, text).second);
    } else {
      EXPECT_EQ(flat.erase(key), tree.erase(key) == 1);
    }
    const auto found = flat.find(key);
    ASSERT_EQ(found != flat.end(), tree.contains(key));
    if (found == flat.end()) continue;
    EXPECT_EQ(found->second, tree.at(key));
  }
  ASSERT_FALSE(flat.empty());
  EXPECT_EQ(flat.size(), tree.size());
  auto same = tree.begin();
  for (const auto& [key, value] : flat) {
    EXPECT_EQ(key, same->first);
    EXPECT_EQ(value, (same++)->second);
  }
  flat.clear();
  EXPECT_TRUE(flat.empty());
  EXPECT_EQ(flat, (FlatMap<int, std::string>{}));
}

TEST(FlatMap, HoldsWhatCanOnlyBeMoved) {
  FlatMap<int, std::unique_ptr<int>> map;
  for (const int key : {3, 1, 2}) EXPECT_TRUE(map.emplace(key, std::make_unique<int>(key * 10)));
  EXPECT_FALSE(map.emplace(2, nullptr));
  EXPECT_TRUE(map.erase(1));
  EXPECT_EQ(*map.find(2)->second, 20);
  EXPECT_EQ(*map.find(3)->second, 30);
}

TEST(MakeRoom, LeavesAQuarterEmptyAtMost) {
  std::vector<int> list;
  for (int i = 0; i < 1'000; ++i) {
    make_room(list);
    list.push_back(i);
    EXPECT_LE(list.capacity(), std::max<std::size_t>(list.size() + 1, list.size() * 5 / 4));
  }
}

}  // namespace
}  // namespace wakeline::base
