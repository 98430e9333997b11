// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace wakeline::cli {

/// `wakeline server stats`: the figures of the running server.
void add_server_stats(CLI::App& server, int& exit_code);

}  // namespace wakeline::cli
