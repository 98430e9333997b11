// SPDX-License-Identifier: Apache-2.0
// The driver's files: the link's memory and the outbox.
#include <algorithm>
#include <utility>

#include "app/link_driver.h"
#include "app/push_files.h"
#include "base/log.h"
#include "core/link/memory.h"
#include "core/link/outbox.h"
#include "io/clock.h"
#include "io/file.h"

namespace wakeline::app {
namespace {

constexpr base::Duration kStorageRetryMin = std::chrono::seconds(1);
constexpr base::Duration kStorageRetryMax = std::chrono::minutes(1);

std::string text_of(const link::Memory& memory) { return link::encode(memory, boot_to_wall()); }

}  // namespace

void LinkDriver::carry_out(const link::Persist& persist) {
  unwritten_ = persist;
  write_state();
}

void LinkDriver::write_state() {
  if (!unwritten_) return;
  writer_->write(text_of(unwritten_->memory),
                 [this, &loop = core_.engine().loop(), serial = unwritten_->serial,
                  alive = std::weak_ptr(alive_)](const base::Result<void>& written) {
                   loop.post([this, serial, written, alive] {
                     if (!alive.expired()) on_written(serial, written);
                   });
                 });
}

void LinkDriver::on_written(std::uint64_t serial, const base::Result<void>& written) {
  if (!written) {
    storage_retry_ = std::clamp(storage_retry_ * 2, kStorageRetryMin, kStorageRetryMax);
    base::log(base::LogLevel::kError, "link", "{}: {}; pushes are not acknowledged until then",
              settings_.state_file, base::to_string(written.error()));
    return storage_timer_->set(io::now() + storage_retry_);
  }
  storage_retry_ = {};
  written_ = std::move(unwritten_->memory);
  unwritten_.reset();
  feed([serial](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_persisted(now, serial, out);
  });
}

/// What the app accepted while the last write was under way.
void LinkDriver::write_last_state() {
  if (!unwritten_ || link_.memory() == written_) return;
  const auto last = io::write_file(settings_.state_file, text_of(link_.memory()));
  if (!last)
    base::log(base::LogLevel::kError, "link", "{}: {}; pushes that were accepted last come again",
              settings_.state_file, base::to_string(last.error()));
}

void LinkDriver::carry_out(const link::StoreOutbox& store) {
  const auto done = [this, &loop = core_.engine().loop(), serial = store.serial,
                     alive = std::weak_ptr(alive_)](const base::Result<void>& written) {
    loop.post([this, serial, written, alive] {
      if (!alive.expired()) on_outbox_written(serial, written);
    });
  };
  if (!outbox_writer_) {
    auto writer = StateWriter::start(settings_.outbox_file);
    if (!writer) return done(base::fail(writer.error()));
    outbox_writer_ = std::move(*writer);
  }
  outbox_writer_->write(link::encode(store.messages, time_of_file(settings_.outbox_wall)), done);
}

/// What the app sent and what it heard of while the last write was under way, or had failed.
base::Result<void> LinkDriver::write_last_outbox() {
  const auto messages = link_.unstored_outbox();
  if (!messages) return {};
  const auto last = io::write_file(settings_.outbox_file,
                                   link::encode(*messages, time_of_file(settings_.outbox_wall)));
  if (!last)
    base::log(base::LogLevel::kError, "link", "{}: {}; the outbox is as it was before",
              settings_.outbox_file, base::to_string(last.error()));
  return last;
}

void LinkDriver::on_outbox_written(std::uint64_t serial, const base::Result<void>& written) {
  if (!written)
    base::log(base::LogLevel::kError, "link", "{}: {}", settings_.outbox_file,
              base::to_string(written.error()));
  feed([&](link::Link& link, base::Instant now, link::Actions& out) {
    if (written)
      link.on_outbox_stored(now, serial, out);
    else
      link.on_outbox_failed(now, serial, out);
  });
  for (std::size_t i = 0; i < sends_.size();) {
    if (sends_[i].serial > serial) {
      ++i;
      continue;
    }
    const auto done = std::move(sends_[i].done);
    sends_.erase(sends_.begin() + static_cast<std::ptrdiff_t>(i));
    done(written);
  }
}

}  // namespace wakeline::app
