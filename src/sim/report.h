// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sim/run.h"
#include "sim/scenario.h"

namespace wakeline::sim {

/// One page for people, in HTML without anything from elsewhere: the timeline of every device,
/// wakes by cause, energy, how fast dead lines were noticed and pushes came, and what the choice of
/// a keep-alive interval costs on the scenario's networks.
/// `report` comes from a run with `recording`.
std::string to_html(const Scenario& scenario, const Report& report);

}  // namespace wakeline::sim
