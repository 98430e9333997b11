// SPDX-License-Identifier: Apache-2.0
#include "server/admin_access.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "io/clock.h"
#include "server/data_folder.h"
#include "server/scopes.h"
#include "server/tokens.h"
#include "server/upgrade.h"
#include "store/backup.h"
#include "store/directory.h"
#include "store/registry.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;
using store::Database;
using store::Directory;

namespace {

Outcome<std::unique_ptr<Directory>> open_directory(const std::string& folder, Database::Mode mode) {
  const DataFolder files(folder);
  if (::access(files.store().c_str(), F_OK) != 0) {
    return failure(files.store(),
                   base::Error{ErrorCode::kNotFound, "no server has been started here"});
  }
  auto directory = Directory::open(files.store(), mode);
  if (!directory) return failure(files.store(), directory.error());
  return std::move(*directory);
}

Outcome<store::Registry> open_registry(const std::string& folder, Database::Mode mode) {
  const DataFolder files(folder);
  if (::access(files.store().c_str(), F_OK) != 0) {
    return failure(files.store(),
                   base::Error{ErrorCode::kNotFound, "no server has been started here"});
  }
  auto registry = store::Registry::open(files.store(), mode);
  if (!registry) return failure(files.store(), registry.error());
  return std::move(*registry);
}

Outcome<store::Device> find_device(const std::string& folder, const std::string& name) {
  auto registry = open_registry(folder, Database::Mode::kRead);
  if (!registry) return std::unexpected(registry.error());
  auto row = registry->find_device(name);
  if (!row) return failure(name, row.error());
  if (!*row) return failure(name, base::Error{ErrorCode::kNotFound, "device"});
  return std::move(**row);
}

AuditLog::Fields fields_of(const std::string& device, const store::Members::Entry& entry) {
  return {{"device", device},
          {entry.kind == store::MemberKind::kUser ? "user" : "group", entry.name}};
}

}  // namespace

Outcome<void> audit_operator(const std::string& folder, std::string_view event,
                             AuditLog::Fields fields) {
  const std::string path = DataFolder(folder).audit_log();
  fields.emplace_back("by", "uid " + std::to_string(::getuid()));
  if (const auto written = AuditLog(path).write(io::wall_now(), event, fields); !written)
    return failure(path, written.error());
  return {};
}

Outcome<std::string> add_token(const std::string& folder, const std::string& name,
                               const std::string& scopes, std::optional<base::Duration> life) {
  if (!wire::is_device_name(name))
    return failure(name, base::Error{ErrorCode::kInvalidArgument, "token name"});
  if (const auto parsed = Scopes::parse(scopes); !parsed) return failure(scopes, parsed.error());
  auto directory = open_directory(folder, Database::Mode::kBeside);
  if (!directory) return std::unexpected(directory.error());
  std::string token = make_token();
  store::Sender sender{.name = name, .scopes = scopes, .created = io::wall_now()};
  if (life) sender.expires = sender.created + *life;
  const auto added = (*directory)->senders().add(sender, hash_token(base::as_bytes(token)));
  if (!added) return failure(name, added.error());
  return token;
}

Outcome<void> audit_token(const std::string& folder, const std::string& name,
                          const std::string& scopes) {
  return audit_operator(folder, "token_added", {{"token", name}, {"scopes", scopes}});
}

Outcome<void> remove_token(const std::string& folder, const std::string& name) {
  auto directory = open_directory(folder, Database::Mode::kBeside);
  if (!directory) return std::unexpected(directory.error());
  if (const auto removed = (*directory)->senders().remove(name); !removed)
    return failure(name, removed.error());
  return audit_operator(folder, "token_removed", {{"token", name}});
}

Outcome<std::vector<store::Sender>> list_tokens(const std::string& folder) {
  auto directory = open_directory(folder, Database::Mode::kRead);
  if (!directory) return std::unexpected(directory.error());
  auto list = (*directory)->senders().list();
  if (!list) return failure(DataFolder(folder).store(), list.error());
  return std::move(*list);
}

Outcome<void> check_member(const store::Members::Entry& entry) {
  if (wire::is_device_name(entry.name)) return {};
  return failure(entry.name, base::Error{ErrorCode::kInvalidArgument, "name of a user or group"});
}

Outcome<void> join(const std::string& folder, const std::string& device,
                   const store::Members::Entry& entry) {
  if (auto checked = check_member(entry); !checked) return checked;
  auto directory = open_directory(folder, Database::Mode::kBeside);
  if (!directory) return std::unexpected(directory.error());
  if (const auto added = (*directory)->members().add(entry, device); !added)
    return failure(device, added.error());
  return audit_join(folder, device, entry);
}

Outcome<void> audit_join(const std::string& folder, const std::string& device,
                         const store::Members::Entry& entry) {
  return audit_operator(folder, "member_added", fields_of(device, entry));
}

Outcome<void> leave(const std::string& folder, const std::string& device,
                    const store::Members::Entry& entry) {
  auto directory = open_directory(folder, Database::Mode::kBeside);
  if (!directory) return std::unexpected(directory.error());
  if (const auto removed = (*directory)->members().remove(entry, device); !removed)
    return failure(device, removed.error());
  return audit_operator(folder, "member_removed", fields_of(device, entry));
}

Outcome<std::vector<store::Members::Entry>> memberships(const std::string& folder,
                                                        const std::string& device) {
  auto directory = open_directory(folder, Database::Mode::kRead);
  if (!directory) return std::unexpected(directory.error());
  auto list = (*directory)->members().of(device);
  if (!list) return failure(device, list.error());
  return std::move(*list);
}

std::string rights_text(std::uint8_t rights) {
  std::string text;
  for (std::size_t i = 0; i < wire::kReportKinds; ++i) {
    if ((rights >> i & 1U) == 0) continue;
    text += (text.empty() ? "" : " ") + std::string(wire::name(static_cast<wire::ReportKind>(i)));
  }
  return text.empty() ? "none" : text;
}

std::optional<std::uint8_t> rights_from(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"none"}) return 0;
  std::uint8_t rights = 0;
  for (const std::string& word : words) {
    std::uint8_t bit = 0;
    for (std::size_t i = 0; i < wire::kReportKinds; ++i) {
      if (wire::name(static_cast<wire::ReportKind>(i)) == word)
        bit = static_cast<std::uint8_t>(1U << i);
    }
    if (bit == 0) return std::nullopt;
    rights |= bit;
  }
  return rights;
}

Outcome<void> set_rights(const std::string& folder, const std::string& device,
                         std::uint8_t rights) {
  auto registry = open_registry(folder, Database::Mode::kBeside);
  if (!registry) return std::unexpected(registry.error());
  if (const auto set = registry->set_rights(device, rights); !set)
    return failure(device, set.error());
  tell_changed(DataFolder(folder).control(), device);
  return audit_operator(folder, "rights_set",
                        {{"device", device}, {"rights", rights_text(rights)}});
}

Outcome<std::uint8_t> rights(const std::string& folder, const std::string& device) {
  const auto row = find_device(folder, device);
  if (!row) return std::unexpected(row.error());
  return row->rights;
}

Outcome<void> permit_group(const std::string& folder, const std::string& device,
                           const std::string& group, bool permit) {
  if (!wire::is_device_name(group))
    return failure(group, base::Error{ErrorCode::kInvalidArgument, "name of a group"});
  auto registry = open_registry(folder, Database::Mode::kBeside);
  if (!registry) return std::unexpected(registry.error());
  if (const auto done = registry->permit_group(device, group, permit); !done)
    return failure(device, done.error());
  return audit_operator(folder, permit ? "group_permitted" : "group_forbidden",
                        {{"device", device}, {"group", group}});
}

Outcome<std::vector<std::string>> permitted_groups(const std::string& folder,
                                                   const std::string& device) {
  const auto row = find_device(folder, device);
  if (!row) return std::unexpected(row.error());
  auto registry = open_registry(folder, Database::Mode::kRead);
  if (!registry) return std::unexpected(registry.error());
  auto list = registry->permitted_groups(row->id);
  if (!list) return failure(device, list.error());
  return std::move(*list);
}

Outcome<void> backup_store(const std::string& folder, const std::string& to) {
  const std::string store = DataFolder(folder).store();
  if (::access(store.c_str(), F_OK) != 0)
    return failure(store, base::Error{ErrorCode::kNotFound, "no server has been started here"});
  if (const auto done = store::backup(store, to); !done) return failure(to, done.error());
  return audit_operator(folder, "backup", {{"file", to}});
}

}  // namespace wakeline::server
