// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace wakeline::base {

/// Room for one more entry of a list that stays: it grows by a quarter, where a vector by itself
/// would double and stay half empty. Call it before each push_back or insert.
template <class T>
void make_room(std::vector<T>& list) {
  if (list.size() < list.capacity()) return;
  list.reserve(list.size() + std::max<std::size_t>(2, list.size() / 4));
}

/// A map in one sorted vector: an entry costs its own bytes, where a tree adds 40 and an
/// allocation. For keys that come in rising order, or for few. Keys are not to be changed in place,
/// and adding or removing moves entries: no pointer to one outlives it.
template <class Key, class Value>
class FlatMap {
 public:
  using Entry = std::pair<Key, Value>;
  using Iterator = typename std::vector<Entry>::iterator;
  using ConstIterator = typename std::vector<Entry>::const_iterator;

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  Iterator begin() { return entries_.begin(); }
  Iterator end() { return entries_.end(); }
  ConstIterator begin() const { return entries_.begin(); }
  ConstIterator end() const { return entries_.end(); }

  Iterator find(const Key& key) {
    const auto it = std::ranges::lower_bound(entries_, key, {}, &Entry::first);
    return it != entries_.end() && it->first == key ? it : entries_.end();
  }
  ConstIterator find(const Key& key) const {
    const auto it = std::ranges::lower_bound(entries_, key, {}, &Entry::first);
    return it != entries_.end() && it->first == key ? it : entries_.end();
  }

  /// Adds the entry where the key is new. Returns: whether it was.
  bool emplace(const Key& key, Value value) {
    const auto place = std::ranges::lower_bound(entries_, key, {}, &Entry::first) - begin();
    if (begin() + place != end() && (begin() + place)->first == key) return false;
    make_room(entries_);
    entries_.emplace(begin() + place, key, std::move(value));
    return true;
  }
  /// Returns: whether there was one.
  bool erase(const Key& key) {
    const auto found = find(key);
    if (found == end()) return false;
    entries_.erase(found);
    return true;
  }
  void clear() { std::vector<Entry>().swap(entries_); }  ///< gives the memory back too

  friend bool operator==(const FlatMap&, const FlatMap&) = default;

 private:
  std::vector<Entry> entries_;
};

}  // namespace wakeline::base
