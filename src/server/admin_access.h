// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/audit_log.h"
#include "server/options.h"
#include "store/members.h"
#include "store/senders.h"

/// What is done about tokens, users and groups on a data folder, also beside a running server,
/// which heeds it from its next look-up on. Each change is in the audit log, a token once it has
/// been shown.
namespace wakeline::server {

/// Returns: the token, which is in the answer and nowhere else; whoever has shown it notes it
/// (`audit_token`). That way it is not lost where the audit log cannot be written.
/// Errors: kInvalidArgument (the name), kMalformed (the scopes), kAlreadyExists, kNotFound (no
///         server was started there yet), kBusy, kStorageFull, kStorage.
Outcome<std::string> add_token(const std::string& folder, const std::string& name,
                               const std::string& scopes, std::optional<base::Duration> life);
/// Errors: those of `audit_operator`.
Outcome<void> audit_token(const std::string& folder, const std::string& name,
                          const std::string& scopes);
/// Errors: kNotFound, kBusy, kStorageFull, kStorage.
Outcome<void> remove_token(const std::string& folder, const std::string& name);
Outcome<std::vector<store::Sender>> list_tokens(const std::string& folder);

/// Whether it can be the name of a user or a group. Errors: kInvalidArgument.
Outcome<void> check_member(const store::Members::Entry& entry);
/// Errors: kInvalidArgument (a name), kNotFound (the device), kTooLarge, kBusy, kStorageFull,
///         kStorage.
Outcome<void> join(const std::string& folder, const std::string& device,
                   const store::Members::Entry& entry);
/// Of a device that was made with it. Errors: those of `audit_operator`.
Outcome<void> audit_join(const std::string& folder, const std::string& device,
                         const store::Members::Entry& entry);
/// Errors: kNotFound, kBusy, kStorageFull, kStorage.
Outcome<void> leave(const std::string& folder, const std::string& device,
                    const store::Members::Entry& entry);
/// What a device belongs to.
Outcome<std::vector<store::Members::Entry>> memberships(const std::string& folder,
                                                        const std::string& device);

/// What a device may publish: a bit for each wire::ReportKind. A running server heeds a change at
/// once. Errors: kNotFound, kBusy, kStorageFull, kStorage.
Outcome<void> set_rights(const std::string& folder, const std::string& device, std::uint8_t rights);
Outcome<std::uint8_t> rights(const std::string& folder, const std::string& device);
/// "reply receipt"; "none".
std::string rights_text(std::uint8_t rights);
/// From words: reply, receipt, presence; or none, alone. Nothing for others.
std::optional<std::uint8_t> rights_from(const std::vector<std::string>& words);
/// Lets a device join a group by itself, or not any more; then it leaves it.
/// Errors: kInvalidArgument (the group), kNotFound (the device), kBusy, kStorageFull, kStorage.
Outcome<void> permit_group(const std::string& folder, const std::string& device,
                           const std::string& group, bool permit);
/// By name: those that it may join.
Outcome<std::vector<std::string>> permitted_groups(const std::string& folder,
                                                   const std::string& device);

/// A copy of the store, whole or not there, also beside a running server. Put back as `store.db` it
/// has another epoch. Errors: kAlreadyExists (the file), kNotFound, kStorageFull, kStorage.
Outcome<void> backup_store(const std::string& folder, const std::string& to);

/// Notes what an operator did. An audit log that cannot be written is an error: what was done is
/// done.
Outcome<void> audit_operator(const std::string& folder, std::string_view event,
                             AuditLog::Fields fields);

}  // namespace wakeline::server
