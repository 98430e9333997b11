// SPDX-License-Identifier: Apache-2.0
#include "store/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include <boost/crc.hpp>

#include "base/check.h"
#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

constexpr std::size_t kHeadBytes = 16;
/// Of a push's content: all but its texts and its body.
constexpr std::size_t kFixedBytes = 36;
/// Five seconds, as SQLite waits for another process' transaction, see database.cc.
constexpr int kLockLooks = 250;
constexpr base::Duration kLockPause = std::chrono::milliseconds(20);
constexpr std::uint8_t kAdded = 1;
constexpr std::uint8_t kRemoved = 2;

std::unexpected<base::Error> failed(const char* where, int os) {
  const bool full = os == ENOSPC || os == EDQUOT;
  if (full) return base::fail(ErrorCode::kStorageFull, where, os);
  if (os == EIO) return base::fail(ErrorCode::kStorage, where, os);
  return base::fail(base::os_error(where, os));
}

std::uint32_t checksum(const JournalKey& key, base::BytesView content) {
  base::Bytes head;
  base::ByteWriter writer(head);
  writer.u64(key.epoch);
  writer.u64(key.generation);
  writer.u32(static_cast<std::uint32_t>(content.size()));
  boost::crc_32_type sum;
  sum.process_bytes(head.data(), head.size());
  sum.process_bytes(content.data(), content.size());
  return sum.checksum();
}

/// A name of 16 bits' length: what does not fit never gets here, see `record_size`.
void put_text(base::ByteWriter& writer, std::string_view text) {
  writer.u16(static_cast<std::uint16_t>(text.size()));
  writer.put(base::as_bytes(text));
}

std::string take_text(base::ByteReader& reader) {
  const std::uint16_t size = reader.u16();
  return std::string(base::as_text(reader.take(size)));
}

void encode_content(const JournalRecord& record, base::Bytes& out) {
  base::ByteWriter writer(out);
  if (const auto* removed = std::get_if<RemovedPush>(&record)) {
    writer.u8(kRemoved);
    writer.u64(removed->device.value);
    writer.u64(removed->sequence);
    return;
  }
  const auto& added = std::get<RecentPush>(record);
  const NewPush& push = *added.push;
  writer.u8(kAdded);
  writer.u64(added.device.value);
  writer.u64(added.sequence);
  writer.u8(added.waits ? 1 : 0);
  writer.u8(push.urgency);
  writer.u8(push.encoding);
  writer.u64(static_cast<std::uint64_t>(to_ms(push.expires)));
  put_text(writer, push.device);
  put_text(writer, push.group);
  writer.u32(static_cast<std::uint32_t>(push.body.size()));
  writer.put(push.body);
}

/// Writes zeros to the end: where a file has only been promised its space, each first write of a
/// page is one about the file as well, which a sync would wait for.
/// Returns: bytes that the file has, fewer where the disk is full.
base::Result<std::size_t> fill(int fd) {
  struct stat file{};
  if (::fstat(fd, &file) != 0) return failed("store.journal", errno);
  auto size = static_cast<std::size_t>(file.st_size);
  if (size >= kJournalBytes) return kJournalBytes;
  const base::Bytes zeros(64 << 10);
  while (size < kJournalBytes) {
    const auto wrote = ::pwrite(fd, zeros.data(), std::min(zeros.size(), kJournalBytes - size),
                                static_cast<off_t>(size));
    if (wrote > 0) size += static_cast<std::size_t>(wrote);
    if (wrote < 0 && (errno == ENOSPC || errno == EDQUOT)) break;
    if (wrote < 0 && errno != EINTR) return failed("store.journal", errno);
  }
  if (::fsync(fd) != 0) return failed("store.journal", errno);
  return size;
}

/// A server that hands over is still at its end when the next one begins.
base::Result<void> lock(int fd) {
  for (int look = 0; ::flock(fd, LOCK_EX | LOCK_NB) != 0; ++look) {
    if (errno != EWOULDBLOCK && errno != EINTR) return failed("store.journal", errno);
    if (look == kLockLooks) return base::fail(ErrorCode::kBusy, "store.journal");
    std::this_thread::sleep_for(kLockPause);
  }
  return {};
}

/// Makes the name of a new file as durable as the file.
base::Result<void> sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("store.journal", errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0) return failed("store.journal", error);
  return {};
}

base::Result<std::vector<JournalRecord>> read_records(int fd, const JournalKey& key) {
  base::Bytes bytes(kJournalBytes);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const auto got =
        ::pread(fd, bytes.data() + size, bytes.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno != EINTR) return failed("store.journal", errno);
    if (got == 0) break;
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  return decode_records(base::BytesView(bytes).first(size), key);
}

}  // namespace

std::size_t record_size(const NewPush& push) {
  return kHeadBytes + kFixedBytes + push.device.size() + push.group.size() + push.body.size();
}

void encode_record(const JournalRecord& record, const JournalKey& key, base::Bytes& out) {
  base::Bytes content;
  encode_content(record, content);
  base::ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(content.size()));
  writer.u32(checksum(key, content));
  writer.u64(key.generation);
  writer.put(content);
}

std::optional<JournalRecord> decode_content(base::BytesView content) {
  base::ByteReader reader(content);
  const std::uint8_t kind = reader.u8();
  if (kind == kRemoved) {
    RemovedPush removed{DeviceId{reader.u64()}, reader.u64()};
    if (!reader.ok() || !reader.empty()) return std::nullopt;
    return removed;
  }
  if (kind != kAdded) return std::nullopt;
  RecentPush added{.device = DeviceId{reader.u64()}, .sequence = reader.u64()};
  const std::uint8_t waits = reader.u8();
  NewPush push;
  push.urgency = reader.u8();
  push.encoding = reader.u8();
  push.expires = from_ms(static_cast<std::int64_t>(reader.u64()));
  push.device = take_text(reader);
  push.group = take_text(reader);
  const std::uint32_t size = reader.u32();
  const base::BytesView body = reader.take(size);
  if (!reader.ok() || !reader.empty() || waits > 1 || push.device.empty()) return std::nullopt;
  push.body.assign(body.begin(), body.end());
  added.waits = waits == 1;
  added.push = std::make_shared<const NewPush>(std::move(push));
  return added;
}

std::vector<JournalRecord> decode_records(base::BytesView bytes, const JournalKey& key) {
  std::vector<JournalRecord> found;
  base::ByteReader reader(bytes);
  for (;;) {
    const std::uint32_t size = reader.u32();
    const std::uint32_t sum = reader.u32();
    const std::uint64_t generation = reader.u64();
    if (!reader.ok() || generation != key.generation || size > kRecordMax) return found;
    const base::BytesView content = reader.take(size);
    if (!reader.ok() || checksum(key, content) != sum) return found;
    auto record = decode_content(content);
    if (!record) return found;
    found.push_back(std::move(*record));
  }
}

std::string journal_path(const std::string& store) { return store + "-pushes"; }

base::Result<std::vector<JournalRecord>> read_journal(const std::string& store,
                                                      const JournalKey& key) {
  const int fd = ::open(journal_path(store).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return {};
  if (fd < 0) return failed("store.journal", errno);
  auto records = read_records(fd, key);
  ::close(fd);
  return records;
}

base::Result<std::unique_ptr<Journal>> Journal::open(const std::string& store, bool synced) {
  const int fd = ::open(journal_path(store).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed("store.journal", errno);
  std::unique_ptr<Journal> journal(new Journal(fd, synced));
  if (auto locked = lock(fd); !locked) return base::fail(locked.error());
  const auto size = fill(fd);
  if (!size) return base::fail(size.error());
  if (auto known = sync_folder(store); !known) return base::fail(known.error());
  journal->size_ = *size;
  return journal;
}

Journal::~Journal() {
  // Threads with file tables of their own may have it open as well.
  ::flock(fd_, LOCK_UN);
  ::close(fd_);
}

base::Result<std::vector<JournalRecord>> Journal::read(const JournalKey& key) const {
  return read_records(fd_, key);
}

void Journal::begin(const JournalKey& key) {
  key_ = key;
  offset_ = 0;
  unwritten_.clear();
}

void Journal::append(const JournalRecord& record) {
  const std::size_t before = unwritten_.size();
  encode_record(record, key_, unwritten_);
  WL_CHECK(offset_ + unwritten_.size() <= size_);
  WL_CHECK(unwritten_.size() - before <= kHeadBytes + kRecordMax);
}

base::Result<void> Journal::write(bool sync) {
  std::size_t at = 0;
  while (at < unwritten_.size()) {
    const auto wrote = ::pwrite(fd_, unwritten_.data() + at, unwritten_.size() - at,
                                static_cast<off_t>(offset_ + at));
    if (wrote < 0 && errno != EINTR) return failed("store.journal", errno);
    if (wrote > 0) at += static_cast<std::size_t>(wrote);
  }
  offset_ += unwritten_.size();
  unwritten_.clear();
  if (sync && synced_ && ::fdatasync(fd_) != 0) return failed("store.journal", errno);
  return {};
}

}  // namespace wakeline::store
