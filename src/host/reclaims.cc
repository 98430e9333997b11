// SPDX-License-Identifier: Apache-2.0
#include "host/reclaims.h"

#include <utility>

#include "base/log.h"

namespace wakeline::host {
namespace {

constexpr std::uint64_t kKib = 1'024;

}  // namespace

void Reclaims::start(AppRecord& app) {
  auto job = sys::ReclaimJob::begin(app.process->group().processes());
  if (!job) return finish(app, base::fail(job.error()), nullptr);
  const std::uint64_t number = next_++;
  jobs_.insert_or_assign(app.id, Job{number, std::move(*job)});
  step(app.id, number);
}

void Reclaims::step(doze::AppId id, std::uint64_t number) {
  const auto found = jobs_.find(id);
  // Woken meanwhile, and perhaps asleep again with a job of its own.
  if (found == jobs_.end() || found->second.number != number) return;
  const auto more = found->second.job.step();
  if (more && *more) {
    loop_.post([this, id, number, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) step(id, number);
    });
    return;
  }
  const Job job = std::move(found->second);
  jobs_.erase(found);
  AppRecord* app = driver_.find(id);
  if (app == nullptr) return;
  finish(*app, more ? base::Result<void>{} : base::fail(more.error()), &job.job);
}

void Reclaims::finish(AppRecord& app, base::Result<void> result, const sys::ReclaimJob* job) {
  if (!result) {
    app.reclaimed = base::to_string(result.error());
    driver_.note(&app, "reclaim", std::string(base::name(result.error().code)), app.reclaimed);
    base::log(base::LogLevel::kInfo, "host", "{}: its memory is not given back: {}",
              app.manifest.id, app.reclaimed);
    return;
  }
  app.reclaimed =
      fmt::format("{} of {} KiB stayed", job->resident_now() / kKib, job->resident_before() / kKib);
  driver_.note(&app, "reclaim", "done", app.reclaimed);
}

}  // namespace wakeline::host
