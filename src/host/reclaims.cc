// SPDX-License-Identifier: Apache-2.0
#include "host/reclaims.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

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
  app.given_back.wall_ns = io::wall_now().time_since_epoch().count();
  if (!result) {
    app.given_back.error = result.error().code;
    const std::string why = base::to_string(result.error());
    driver_.note(&app, "reclaim", std::string(base::name(result.error().code)), why);
    base::log(base::LogLevel::kInfo, "host", "{}: its memory is not given back: {}",
              app.manifest.id, why);
    return;
  }
  const std::uint64_t before = job->resident_before();
  const std::uint64_t stayed = std::min(job->resident_now(), before);
  app.given_back.error = base::ErrorCode::kOk;
  app.given_back.kib = (before - stayed) / kKib;
  driver_.note(&app, "reclaim", "done",
               fmt::format("{} of {} KiB stayed", stayed / kKib, before / kKib));
}

}  // namespace wakeline::host
