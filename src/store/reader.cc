// SPDX-License-Identifier: Apache-2.0
#include "store/reader.h"

#include <algorithm>

#include "store/store.h"

namespace wakeline::store {

Reader::Reader(Store& store, Post post, Database database, Registry registry)
    : store_(store),
      database_(std::move(database)),
      registry_(std::move(registry)),
      deletions_(std::make_shared<Deletions>()) {
  deletions_->post = std::move(post);
}

Reader::~Reader() = default;

base::Result<std::unique_ptr<Reader>> Reader::open(Store& store, const std::string& path,
                                                   std::uint32_t queue_max, Post post) {
  auto database = Database::open(path, Database::Mode::kRead);
  if (!database) return base::fail(database.error());
  auto registry = Registry::open(path, Database::Mode::kRead);
  if (!registry) return base::fail(registry.error());
  std::unique_ptr<Reader> reader(
      new Reader(store, std::move(post), std::move(*database), std::move(*registry)));
  auto table = PushTable::prepare(reader->database_, queue_max);
  if (!table) return base::fail(table.error());
  auto reports = ReportTable::prepare(reader->database_);
  if (!reports) return base::fail(reports.error());
  reader->table_.emplace(std::move(*table));
  reader->reports_.emplace(std::move(*reports));
  return reader;
}

void Reader::remove(DeviceId device, Sequence sequence) {
  if (deletions_->pending.emplace(device, sequence).second)
    store_.enqueue(Store::Remove{device, sequence, false, deletions_}, false);
}

void Reader::remove_through(DeviceId device, Sequence sequence) {
  // Every reconnecting device says what it has; most of the time nothing is left to delete. A read
  // that fails says nothing, so the deletion is asked for.
  const auto any = table_->any_through(device, sequence);
  if (any && !*any) return;
  store_.enqueue(Store::Remove{device, sequence, true, deletions_}, false);
}

void Reader::Deletions::forget(DeviceId device, Sequence sequence, bool through) {
  const auto first =
      through ? pending.lower_bound({device, 0}) : pending.lower_bound({device, sequence});
  pending.erase(first, pending.upper_bound({device, sequence}));
}

base::Result<std::optional<Push>> Reader::find(DeviceId device, Sequence sequence,
                                               base::WallTime now) {
  if (deletions_->pending.contains({device, sequence})) return std::nullopt;
  return table_->find(device, sequence, now);
}

base::Result<Pending> Reader::pending(DeviceId device, Sequence after, std::uint16_t limit,
                                      base::WallTime now) {
  // Those that go are still in the file: as many more are read, and left out.
  const auto& deleting = deletions_->pending;
  const auto first = deleting.upper_bound({device, after});
  const auto last = deleting.upper_bound({device, ~Sequence{0}});
  const auto going = static_cast<std::size_t>(std::distance(first, last));
  auto found = table_->pending(device, after, limit + going, now);
  if (!found || going == 0) return found;
  std::erase_if(found->sequences,
                [&](Sequence sequence) { return deleting.contains({device, sequence}); });
  if (found->sequences.size() > limit) {
    found->sequences.resize(limit);
    found->more = true;
  }
  return found;
}

}  // namespace wakeline::store
