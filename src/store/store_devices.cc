// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "store/store.h"

/// The store's jobs on what devices say and on groups, and pushes for many at once.
namespace wakeline::store {

namespace {

/// What a job found, for its answer.
template <class T>
struct Found {
  base::Result<T> result = base::fail(base::Error{});
};

}  // namespace

base::Result<void> Store::add_report(Report report, OnDone done, Post post) {
  auto kept = std::make_shared<const Report>(std::move(report));
  return run_apart(
      [this, kept](Database&) -> base::Result<void> {
        const auto added = write_reports_->add(*kept);
        if (!added) return base::fail(added.error());
        return {};
      },
      std::move(done), std::move(post));
}

base::Result<void> Store::change_group(DeviceId device, std::string group, bool join,
                                       std::function<void(base::Result<bool>)> done, Post post) {
  auto found = std::make_shared<Found<bool>>();
  return run_apart(
      [this, device, group = std::move(group), join, found](Database&) -> base::Result<void> {
        found->result =
            join ? write_reports_->join(device, group) : write_reports_->leave(device, group);
        if (!found->result) return base::fail(found->result.error());
        return {};
      },
      [found, done = std::move(done)](const base::Result<void>& result) {
        done(result ? found->result : base::fail(result.error()));
      },
      std::move(post));
}

base::Result<void> Store::set_lowest(DeviceId device, std::uint8_t lowest,
                                     std::optional<Sequence> hold_after,
                                     std::function<void(base::Result<LowestSet>)> done, Post post) {
  auto found = std::make_shared<Found<LowestSet>>();
  return run(
      [this, device, lowest, hold_after, found](Database&) -> base::Result<void> {
        found->result = write_->set_lowest(device, lowest, hold_after);
        if (!found->result) return base::fail(found->result.error());
        return {};
      },
      [found, done = std::move(done)](const base::Result<void>& result) {
        done(result ? found->result : base::fail(result.error()));
      },
      std::move(post));
}

void Store::leave_groups(DeviceId device) {
  enqueue(Other{[this, device](Database&) { return write_reports_->leave_all(device); }, nullptr,
                nullptr, true},
          true);
}

base::Result<void> Store::remove_reports(std::uint64_t id, OnDone done) {
  return run_apart(
      [this, id](Database&) -> base::Result<void> {
        const auto removed = write_reports_->remove_through(id);
        if (!removed) return base::fail(removed.error());
        return {};
      },
      std::move(done), post_);
}

base::Result<void> Store::remove_receipts(std::uint64_t group, std::uint64_t id, OnDone done) {
  return run_apart(
      [this, group, id](Database&) { return write_->receipts().remove_through(group, id); },
      std::move(done), post_);
}

base::Result<void> Store::add_all(std::vector<NewPush> pushes,
                                  std::function<void(std::vector<base::Result<Accepted>>)> done) {
  struct All {
    std::vector<base::Result<Accepted>> results;
    std::size_t left;
    std::function<void(std::vector<base::Result<Accepted>>)> done;
  };
  auto all = std::make_shared<All>(
      All{{pushes.size(), base::fail(base::Error{})}, pushes.size(), std::move(done)});
  {
    const std::scoped_lock lock(mutex_);
    if (urgent_ + pushes.size() > kWritesMax)
      return base::fail(base::ErrorCode::kBusy, "store.writes");
  }
  if (pushes.empty()) post_([all] { all->done({}); });
  for (std::size_t i = 0; i < pushes.size(); ++i) {
    enqueue(Add{std::make_shared<const NewPush>(std::move(pushes[i])),
                [all, i](base::Result<Accepted> result) {
                  all->results[i] = std::move(result);
                  if (--all->left == 0) all->done(std::move(all->results));
                }},
            true);
  }
  return {};
}

base::Result<void> Store::withdraw(DeviceId device, Sequence sequence,
                                   std::function<void(base::Result<bool>)> done) {
  auto found = std::make_shared<bool>(false);
  return run(
      [this, device, sequence, found](Database&) -> base::Result<void> {
        const auto withdrawn = write_->withdraw(device, sequence);
        if (!withdrawn) return base::fail(withdrawn.error());
        *found = *withdrawn;
        return {};
      },
      [found, done = std::move(done)](const base::Result<void>& result) {
        done(result ? base::Result<bool>(*found) : base::fail(result.error()));
      });
}

}  // namespace wakeline::store
