// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "store/types.h"

/// The file that makes a push durable before it is in the tables. It has one size for ever and is
/// written from its front again and again, so that a sync writes a page and nothing about the file.
namespace wakeline::store {

/// Bytes of the file. Origin: 16,000 pushes of 150 bytes, which the tables then take at once.
inline constexpr std::size_t kJournalBytes = 4 << 20;
/// Bytes of one record's content; a push that needs more goes to the tables.
inline constexpr std::size_t kRecordMax = 64 << 10;

/// A push that was accepted: what the journal says of it, and what waits in memory.
struct RecentPush {
  DeviceId device{};
  Sequence sequence = 0;
  bool waits = false;  ///< else only its number is used up
  /// From the journal, of what a NewPush has: device, body, group, urgency, encoding, expires.
  std::shared_ptr<const NewPush> push{};
};
/// A push of the journal that went.
struct RemovedPush {
  DeviceId device{};
  Sequence sequence = 0;
  friend bool operator==(const RemovedPush&, const RemovedPush&) = default;
};
using JournalRecord = std::variant<RecentPush, RemovedPush>;

/// Which records count. A store put back from a backup has another epoch; what is in the tables is
/// of a generation that is over.
struct JournalKey {
  std::uint64_t epoch = 0;
  std::uint64_t generation = 0;
  friend bool operator==(const JournalKey&, const JournalKey&) = default;
};

/// Bytes that a push takes in the journal.
std::size_t record_size(const NewPush& push);
/// Appends a record: length of the content (u32), CRC-32 (u32), generation (u64), content. The
/// checksum is over the epoch and all but itself.
void encode_record(const JournalRecord& record, const JournalKey& key, base::Bytes& out);
/// The content of a record; nothing where it is none.
std::optional<JournalRecord> decode_content(base::BytesView content);
/// The records from the front that are whole and of that key; the first that is not ends them, as a
/// write that was cut short does.
std::vector<JournalRecord> decode_records(base::BytesView bytes, const JournalKey& key);

/// Where the journal of a store is.
std::string journal_path(const std::string& store);
/// The records of a journal that need not be ours; none where there is no file. Errors:
/// kPermission, kStorage.
base::Result<std::vector<JournalRecord>> read_journal(const std::string& store,
                                                      const JournalKey& key);

class Journal {
 public:
  /// Makes the file of a store where there is none, with all its space, or what the disk has. With
  /// `synced` what is written is synced where it is asked for. Waits a few seconds for a process
  /// that has it.
  /// Errors: kBusy (another process has it), kPermission, kStorage.
  static base::Result<std::unique_ptr<Journal>> open(const std::string& store, bool synced);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Errors: kStorage.
  base::Result<std::vector<JournalRecord>> read(const JournalKey& key) const;
  /// From now on the file holds records of this key alone, and none yet.
  void begin(const JournalKey& key);
  std::size_t size() const { return size_; }
  /// Bytes that are left.
  std::size_t room() const { return size_ - offset_ - unwritten_.size(); }
  /// Takes a record for the next `write`; there must be room.
  void append(const JournalRecord& record);
  /// Errors: kStorageFull, kStorage; then a new generation must begin before the next record.
  base::Result<void> write(bool sync);

 private:
  Journal(int fd, bool synced) : fd_(fd), synced_(synced) {}

  int fd_;
  bool synced_;
  std::size_t size_ = 0;
  JournalKey key_{};
  std::size_t offset_ = 0;
  base::Bytes unwritten_;
};

}  // namespace wakeline::store
