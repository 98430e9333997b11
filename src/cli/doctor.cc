// SPDX-License-Identifier: Apache-2.0
#include "linux/doctor.h"

#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"

namespace wakeline::cli {
namespace {

std::string_view name(sys::ProbeState state) {
  switch (state) {
    case sys::ProbeState::kOk:
      return "ok";
    case sys::ProbeState::kDegraded:
      return "degraded";
    case sys::ProbeState::kMissing:
      return "missing";
  }
  return "";
}

Colour colour(sys::ProbeState state) {
  if (state == sys::ProbeState::kOk) return Colour::kGreen;
  return state == sys::ProbeState::kDegraded ? Colour::kYellow : Colour::kRed;
}

void print_json(const std::vector<sys::Probe>& probes) {
  boost::json::array rows;
  for (const sys::Probe& probe : probes) {
    rows.push_back({{"name", probe.name},
                    {"state", name(probe.state)},
                    {"found", probe.found},
                    {"fallback", probe.fallback},
                    {"remedy", probe.remedy}});
  }
  fmt::print("{}\n", base::printable_json(boost::json::serialize(rows)));
}

void print_text(const std::vector<sys::Probe>& probes) {
  for (const sys::Probe& probe : probes) {
    fmt::print("{}  {}: {}\n", paint(colour(probe.state), fmt::format("{:>8}", name(probe.state))),
               paint(Colour::kBold, probe.name), base::printable(probe.found));
    if (!probe.fallback.empty())
      fmt::print("          instead: {}\n", base::printable(probe.fallback));
    if (!probe.remedy.empty()) fmt::print("          mend it: {}\n", base::printable(probe.remedy));
  }
}

}  // namespace

void add_doctor(CLI::App& root, int& exit_code) {
  struct Options {
    sys::DoctorOptions probes;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand(
      "doctor",
      "Says what this machine gives the host, what falls back to what, and how to mend it");
  command
      ->add_option("--cgroup-parent", options->probes.cgroup_parent,
                   "The cgroup that the host would use")
      ->type_name("FOLDER");
  command->add_flag("--json", options->json, "For programs");
  command->footer("Exit code 1 when something that the host cannot replace is missing.");
  command->callback([options, &exit_code] {
    const std::vector<sys::Probe> probes = sys::examine(options->probes);
    options->json ? print_json(probes) : print_text(probes);
    exit_code = kExitOk;
    for (const sys::Probe& probe : probes) {
      if (probe.state == sys::ProbeState::kMissing && probe.fallback.empty())
        exit_code = kExitFailed;
    }
  });
}

}  // namespace wakeline::cli
