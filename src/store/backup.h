// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.h"

namespace wakeline::store {

/// Writes a copy of the store to `to`, also beside a running server; the copy is whole or not
/// there. It has no epoch: put back in the store's place it gets a new one when the server opens
/// it, so that no app takes new pushes for old ones. Its owner alone may read it, as the store.
/// Errors: kAlreadyExists, those of Database::open with kBeside.
base::Result<void> backup(const std::string& store, const std::string& to);

}  // namespace wakeline::store
