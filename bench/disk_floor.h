// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/program.h"
#include "folder.h"
#include "report.h"

namespace wakeline::bench {

/// What the disk takes of a durable push: 4 KiB written and synced (fdatasync), one after the
/// other.
struct DiskFloor {
  Samples append;     ///< at the end of a file, which grows
  Samples overwrite;  ///< in a file that is there, as the store's journal is
  /// The same where a write falls due each millisecond, from then until a sync that began later is
  /// over; those that fall due meanwhile share the next. A disk and a processor that have rested
  /// take longer than in a row.
  Samples paced;
};
/// The first two by turns, so that both see the same disk. Errors: a sentence for people.
cli::Outcome<DiskFloor> measure_disk(const Folder& folder, int count);

}  // namespace wakeline::bench
