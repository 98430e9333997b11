// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/push_client.h>

#include <string>

/// Asks the device's server at `service` ("https://push.example.org:8443") for a Web Push endpoint,
/// once, and writes `file`: endpoint and keys as JSON, in the form in which a browser gives a
/// subscription to an app server. Does nothing when the file is there. Blocks, 15 s at most.
/// Returns: what went wrong; empty: nothing.
std::string subscribe(const wakeline::PushClient::Options& device,
                      const wakeline::SealingKeys& keys, const std::string& service,
                      const std::string& file);
