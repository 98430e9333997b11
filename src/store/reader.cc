// SPDX-License-Identifier: Apache-2.0
#include "store/reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "store/store.h"
#include "store/wall_ms.h"

namespace wakeline::store {

Reader::Reader(Store& store, Database database, Registry registry)
    : store_(store),
      database_(std::move(database)),
      registry_(std::move(registry)),
      deletions_(std::make_shared<Deletions>()) {}

Reader::~Reader() = default;

base::Result<std::unique_ptr<Reader>> Reader::open(Store& store, const std::string& path,
                                                   std::uint32_t queue_max) {
  auto database = Database::open(path, Database::Mode::kRead);
  if (!database) return base::fail(database.error());
  auto registry = Registry::open(path, Database::Mode::kRead);
  if (!registry) return base::fail(registry.error());
  std::unique_ptr<Reader> reader(new Reader(store, std::move(*database), std::move(*registry)));
  auto table = PushTable::prepare(reader->database_, queue_max);
  if (!table) return base::fail(table.error());
  auto reports = ReportTable::prepare(reader->database_);
  if (!reports) return base::fail(reports.error());
  for (auto [moment, connection] :
       {std::pair{&reader->moment_, &reader->database_},
        std::pair{&reader->registry_moment_, &reader->registry_.database_}}) {
    auto prepared = prepare_moment(*connection);
    if (!prepared) return base::fail(prepared.error());
    *moment = std::move(*prepared);
  }
  reader->table_.emplace(std::move(*table));
  reader->reports_.emplace(std::move(*reports));
  return reader;
}

base::Result<Reader::Moment> Reader::prepare_moment(Database& database) {
  Moment moment;
  auto begin = database.prepare("BEGIN");
  if (!begin) return base::fail(begin.error());
  auto end = database.prepare("COMMIT");
  if (!end) return base::fail(end.error());
  moment.begin = std::move(*begin);
  moment.end = std::move(*end);
  return moment;
}

void Reader::begin_moment() {
  end_moment();
  deletions_->forget_written();
  moment_.wanted = registry_moment_.wanted = true;
}

void Reader::end_moment() {
  leave(moment_);
  leave(registry_moment_);
}

/// Where it fails, each read is of its own moment, as without.
void Reader::enter(Moment& moment) {
  if (!moment.wanted || moment.under_way) return;
  moment.under_way = moment.begin.run().has_value();
}

void Reader::leave(Moment& moment) {
  moment.wanted = false;
  if (!std::exchange(moment.under_way, false)) return;
  if (const auto ended = moment.end.run(); !ended)
    base::log(base::LogLevel::kError, "store", "{}", base::to_string(ended.error()));
}

void Reader::begin_call() {
  if (!moment_.wanted) deletions_->forget_written();
}

void Reader::enter_pushes() {
  const std::uint64_t clears = store_.journal_.recent().clears();
  if (moment_.under_way && clears_ != clears) {
    leave(moment_);
    moment_.wanted = true;
  }
  if (!moment_.under_way) clears_ = clears;
  enter(moment_);
}

void Reader::remove(DeviceId device, Sequence sequence) {
  begin_call();
  if (deletions_->pending.emplace(device, sequence).second)
    store_.enqueue(Store::Remove{{.device = device, .sequence = sequence}, deletions_}, false);
}

void Reader::remove_through(DeviceId device, Sequence sequence, base::WallTime now) {
  // Every reconnecting device says what it has; most of the time nothing is left to delete. A read
  // that fails says nothing, so the deletion is asked for.
  if (!store_.journal_.recent().any_through(device, sequence)) {
    enter_pushes();
    const auto any = table_->any_through(device, sequence);
    if (any && !*any) return;
  }
  store_.enqueue(Store::Remove{{device, sequence, true, now}, deletions_}, false);
}

void Reader::Deletions::add(std::vector<Deletion> written) {
  const std::scoped_lock lock(mutex_);
  if (written_.empty())
    written_ = std::move(written);
  else
    written_.insert(written_.end(), written.begin(), written.end());
}

void Reader::Deletions::forget_written() {
  std::vector<Deletion> written;
  {
    const std::scoped_lock lock(mutex_);
    written.swap(written_);
  }
  for (const Deletion& one : written) {
    const auto first = pending.lower_bound({one.device, one.through ? 0 : one.sequence});
    pending.erase(first, pending.upper_bound({one.device, one.sequence}));
  }
}

base::Result<std::optional<Push>> Reader::find(DeviceId device, Sequence sequence,
                                               base::WallTime now) {
  begin_call();
  if (deletions_->pending.contains({device, sequence})) return std::nullopt;
  if (const auto recent = store_.journal_.recent().find(device, sequence)) {
    if (to_ms(recent->expires) <= to_ms(now)) return std::nullopt;
    return Push{.sequence = sequence,
                .body = recent->body,
                .urgency = recent->urgency,
                .expires = from_ms(to_ms(recent->expires)),
                .encoding = recent->encoding,
                .group = recent->group};
  }
  enter_pushes();
  return table_->find(device, sequence, now);
}

base::Result<bool> Reader::find_accepted(DeviceId device, Sequence sequence, base::WallTime now) {
  if (const auto recent = store_.journal_.recent().find(device, sequence))
    return to_ms(recent->expires) > to_ms(now);
  enter_pushes();
  return table_->find_accepted(device, sequence, now);
}

base::Result<std::optional<base::WallTime>> Reader::next_expiry() {
  const auto recent = store_.journal_.recent().next_expiry();
  enter_pushes();
  auto next = table_->next_expiry();
  if (!next || !recent) return next;
  return *next ? std::min(**next, *recent) : *recent;
}

base::Result<Pending> Reader::pending(DeviceId device, Sequence after, std::uint16_t limit,
                                      base::WallTime now) {
  begin_call();
  // Those that go are still there: as many more are read, and left out.
  const auto& deleting = deletions_->pending;
  const auto first = deleting.upper_bound({device, after});
  const auto last = deleting.upper_bound({device, ~Sequence{0}});
  const auto going = static_cast<std::size_t>(std::distance(first, last));
  const Pending recent = store_.journal_.recent().pending(device, after, limit + going, now);
  enter_pushes();
  auto found = table_->pending(device, after, limit + going, now);
  if (!found || (going == 0 && recent.sequences.empty())) return found;
  // What goes to the tables just now is in both.
  Pending all{.more = found->more || recent.more};
  std::ranges::set_union(found->sequences, recent.sequences, std::back_inserter(all.sequences));
  std::erase_if(all.sequences,
                [&](Sequence sequence) { return deleting.contains({device, sequence}); });
  if (all.sequences.size() > limit) {
    all.sequences.resize(limit);
    all.more = true;
  }
  return all;
}

}  // namespace wakeline::store
