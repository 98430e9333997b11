// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "server/options.h"
#include "store/members.h"

/// What is done on a data folder, by a server's start and by commands beside a running server.
///   store.db         devices, hashes of tokens, pushes
///   certificate.pem  with key.pem: the server's; self-signed unless replaced
///   admin-token      the app server's token of the first start; may be deleted
///   lock             held by the running server
namespace wakeline::server {

/// What a first start made; all false and empty later on.
struct FirstStart {
  bool certificate = false;
  std::string admin_token;  ///< to be shown once; a secret
};

/// Makes the certificate where it is missing, in a folder that is there. Returns: whether it did.
/// Errors: kPermission, kNotFound (its key), kStorage, kInvalidArgument (a name).
Outcome<bool> prepare_certificate(const std::string& folder, const std::vector<std::string>& names);
/// Whether the store is one that `prepare_store` can take; changes nothing. Errors: as there, also
/// kNotFound.
Outcome<void> check_store(const std::string& folder);
/// Makes the store where it is missing and an app server's token where there is none; brings the
/// tables of an older version up to date. For whoever holds the folder's lock: another server would
/// not know its store any more. Returns: the token; empty when there is one already.
/// Errors: kPermission, kUnsupported, kStorageFull, kStorage.
Outcome<std::string> prepare_store(const std::string& folder);

/// All that a device needs to connect; a secret.
struct Credentials {
  std::string host;
  std::uint16_t port = 8'883;
  std::string device;
  std::string token;
  std::string ca_file;
};
/// Lines "host = …", "port = …", "device = …", "token = …", "ca_file = …".
std::string to_text(const Credentials& credentials);
/// Mode 0600. Errors: kPermission, kNotFound (the folder), kStorageFull, kOs.
Outcome<void> write_credentials(const std::string& file, const Credentials& credentials);

/// Also while a server runs on the folder. Its token is in the answer and nowhere else. It belongs
/// to all users and groups of `of`, or is not made.
/// Errors: kInvalidArgument (name), kAlreadyExists, kTooLarge (a group is full), kNotFound (no
///         server was started there yet),
///         kUnsupported (a store of another version, as for all that follows), kBusy, kStorageFull,
///         kStorage.
Outcome<Credentials> add_device(const std::string& folder, const std::string& name,
                                const std::string& host, std::uint16_t port,
                                const std::vector<store::Members::Entry>& of = {});
/// With all that waits for it; a running server ends its connection.
/// Errors: kNotFound, kBusy, kStorageFull, kStorage.
Outcome<void> remove_device(const std::string& folder, const std::string& name);

struct DeviceInfo {
  std::string name;
  base::WallTime created;
  std::uint64_t waiting = 0;  ///< pushes that it has not acknowledged
};
/// By name. Errors: kNotFound (no server was started there yet), kStorage.
Outcome<std::vector<DeviceInfo>> list_devices(const std::string& folder);

}  // namespace wakeline::server
