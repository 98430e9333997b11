// SPDX-License-Identifier: Apache-2.0
#include "server_measure.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "io/tls.h"
#include "pushing.h"
#include "usage.h"

namespace wakeline::bench {

using cli::Outcome;

namespace {

FleetTarget target_of(const Broker& broker, std::shared_ptr<io::TlsContext> tls) {
  return {.port = tls ? broker.tls : broker.plain,
          .tls = std::move(tls),
          .prefix = kDevicePrefix,
          .token = kDeviceToken,
          .version = broker.version,
          .greeting = broker.greeting};
}

Outcome<void> measure_tls(Broker& broker, const Plan& plan, Found& found) {
  auto tls = io::TlsContext::client(broker.ca_file);
  if (!tls) return std::unexpected("tls: " + base::to_string(tls.error()));
  // The load is to be on the server: its signature is checked, its certificate is not judged.
  SSL_CTX_set_cert_verify_callback((*tls)->native(), [](X509_STORE_CTX*, void*) { return 1; },
                                   nullptr);
  auto fleet = Fleet::make(target_of(broker, *tls));
  if (!fleet) return std::unexpected(fleet.error());
  const std::size_t few = plan.tls_devices / 5;
  if (auto grown = (*fleet)->grow(few); !grown) return std::unexpected(grown.error());
  const pid_t pid = broker.program.pid();
  const double before = anonymous_bytes(pid);
  const double cpu = processor_ms(pid);
  const double own = usage(::getpid()).cpu_ms;
  const auto took = (*fleet)->grow(plan.tls_devices);
  if (!took) return std::unexpected(took.error());
  const auto more = static_cast<double>(plan.tls_devices - few);
  found.tls_fleet_us = (usage(::getpid()).cpu_ms - own) * 1e3 / more;
  found.tls_cpu_us = (processor_ms(pid) - cpu) * 1e3 / more;
  found.tls_bytes = (anonymous_bytes(pid) - before) / more;
  found.tls_rate = more / *took;
  return {};
}

/// Pushes at a pace.
Outcome<void> measure_latency(Broker& broker, Fleet& fleet, const Plan& plan, Found& found) {
  Samples samples;
  if (auto pushed = push_through(broker, fleet, {.count = plan.paced, .a_second = 1'000}, &samples);
      !pushed)
    return std::unexpected(pushed.error());
  found.push_p50_us = samples.percentile_us(50);
  found.push_p99_us = samples.percentile_us(99);
  return {};
}

/// Pushes at a pace, then as fast as they go, which is no measure of the floor.
Outcome<void> measure_pushes(Broker& broker, Fleet& fleet, const Plan& plan, Found& found) {
  if (auto done = measure_latency(broker, fleet, plan, found); !done) return done;
  if (broker.name == "floor") return {};
  const auto fast = [&](std::size_t batch, std::optional<double>& rate,
                        std::optional<double>& of_cpu) -> Outcome<void> {
    const Pushing how{.count = plan.sustained, .batch = batch};
    const auto count = static_cast<double>(broker.http != 0 ? how.whole() : how.count);
    const double cpu = processor_ms(broker.program.pid());
    const auto lasted = push_through(broker, fleet, how, nullptr);
    if (!lasted) return std::unexpected(lasted.error());
    rate = count / *lasted;
    of_cpu = count * 1e3 / (processor_ms(broker.program.pid()) - cpu);
    return {};
  };
  if (auto done = fast(1, found.pushes, found.pushes_cpu); !done) return done;
  return broker.http == 0 ? Outcome<void>() : fast(100, found.batched, found.batched_cpu);
}

}  // namespace

Plan plan_of(bool quick) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (quick) return {2'000, 500, 20'000, 1'000, 5'000};
  const auto room = static_cast<std::size_t>(limit.rlim_cur) - 600;  // ours, and the server's
  return {std::min<std::size_t>(room, 19'400), std::min<std::size_t>(room, 5'000), 200'000, 10'000,
          100'000};
}

Outcome<Found> measure_pushes_of(Broker& broker, const Plan& plan) {
  Found found;
  auto fleet = Fleet::make(target_of(broker, nullptr));
  if (!fleet) return std::unexpected(fleet.error());
  if (auto grown = (*fleet)->grow(plan.devices); !grown) return std::unexpected(grown.error());
  if (auto done = measure_pushes(broker, **fleet, plan, found); !done)
    return std::unexpected(done.error());
  return found;
}

Outcome<Found> measure(Broker& broker, const Plan& plan) {
  Found found;
  auto fleet = Fleet::make(target_of(broker, nullptr));
  if (!fleet) return std::unexpected(fleet.error());
  // The slope: what a server needs for itself is in the first fifth.
  const std::size_t few = plan.devices / 5;
  if (auto grown = (*fleet)->grow(few); !grown) return std::unexpected(grown.error());
  const double before = anonymous_bytes(broker.program.pid());
  const auto took = (*fleet)->grow(plan.devices);
  if (!took) return std::unexpected(took.error());
  const auto more = static_cast<double>(plan.devices - few);
  found.plain_bytes = (anonymous_bytes(broker.program.pid()) - before) / more;
  found.plain_rate = more / *took;

  double cpu = processor_ms(broker.program.pid());
  if (!broker.greeting) {
    if (auto pinged = (*fleet)->ping(plan.pings); !pinged) return std::unexpected(pinged.error());
    found.ping_cpu_s =
        (processor_ms(broker.program.pid()) - cpu) / 1e3 * 1e5 / static_cast<double>(plan.pings);
  }
  const bool floor = broker.name == "floor";
  if (floor || broker.delivers) {
    if (auto done = measure_pushes(broker, **fleet, plan, found); !done)
      return std::unexpected(done.error());
  }
  if (!floor) {
    const auto back = (*fleet)->storm(90);  // mosquitto's listen backlog is 100
    if (!back) return std::unexpected(back.error());
    found.storm_s = *back;
  }
  fleet->reset();
  if (broker.tls == 0) return found;
  if (auto measured = measure_tls(broker, plan, found); !measured)
    return std::unexpected(measured.error());
  return found;
}

Outcome<Found> measure_tls_of(Broker& broker, const Plan& plan) {
  Found found;
  if (auto measured = measure_tls(broker, plan, found); !measured)
    return std::unexpected(measured.error());
  return found;
}

void add_figures(Report& report, const std::string& name, const Found& found, const Found* against,
                 const std::string& against_name) {
  const struct {
    const char* what;
    const char* unit;
    std::optional<double> Found::* member;
  } rows[] = {{"user memory of an idle device, plain", "B", &Found::plain_bytes},
              {"connect + subscribe, plain", "1/s", &Found::plain_rate},
              {"user memory of an idle device, TLS", "B", &Found::tls_bytes},
              {"connect + subscribe, TLS", "1/s", &Found::tls_rate},
              {"its processor time for a connect, TLS", "µs", &Found::tls_cpu_us},
              {"the devices' processor time for it", "µs", &Found::tls_fleet_us},
              {"processor time of 100,000 pings", "s", &Found::ping_cpu_s},
              {"push to a device at 1,000/s: p50", "µs", &Found::push_p50_us},
              {"push to a device at 1,000/s: p99", "µs", &Found::push_p99_us},
              {"pushes, as fast as they go", "1/s", &Found::pushes},
              {"pushes for a second of its processor time", "1/s", &Found::pushes_cpu},
              {"pushes in batches of 100", "1/s", &Found::batched},
              {"pushes in batches, for a second of processor time", "1/s", &Found::batched_cpu},
              {"all devices come back", "s", &Found::storm_s}};
  for (const auto& row : rows) {
    const auto& value = found.*row.member;
    if (!value) continue;
    Figure figure{.name = name + ": " + row.what,
                  .value = *value,
                  .unit = row.unit,
                  .ratio = {},
                  .against = {}};
    if (against != nullptr && (against->*row.member) && *(against->*row.member) > 0) {
      figure.ratio = *value / *(against->*row.member);
      figure.against = against_name;
    }
    report.figures.push_back(std::move(figure));
  }
}

}  // namespace wakeline::bench
