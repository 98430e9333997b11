// SPDX-License-Identifier: Apache-2.0
#include "server/admin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "io/clock.h"
#include "io/file.h"
#include "io/tls.h"
#include "server/data_folder.h"
#include "server/tokens.h"
#include "server/upgrade.h"
#include "store/registry.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;
using store::Database;
using store::Registry;

namespace {

constexpr const char* kFirstSender = "admin";

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Outcome<Registry> open_registry(const DataFolder& folder, Database::Mode mode) {
  if (!exists(folder.store()))
    return failure(folder.store(),
                   base::Error{ErrorCode::kNotFound, "no server has been started here"});
  auto registry = Registry::open(folder.store(), mode);
  if (!registry) return failure(folder.store(), registry.error());
  return std::move(*registry);
}

}  // namespace

Outcome<bool> prepare_certificate(const std::string& path, const std::vector<std::string>& more) {
  const DataFolder folder(path);
  const bool certificate = exists(folder.certificate());
  const bool key = exists(folder.key());
  if (certificate && key) return false;
  if (certificate)
    return failure(folder.key(), base::Error{ErrorCode::kNotFound, "certificate without key"});
  // A key alone is of a first start that was cut short: it is written before the certificate.
  if (key && ::unlink(folder.key().c_str()) != 0)
    return failure(folder.key(), base::os_error("unlink", errno));
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  names.insert(names.end(), more.begin(), more.end());
  const auto made = io::make_self_signed(folder.certificate(), folder.key(), names);
  if (!made) return failure(folder.certificate(), made.error());
  return true;
}

Outcome<void> check_store(const std::string& path) {
  const DataFolder folder(path);
  const auto opened = Database::open(folder.store(), Database::Mode::kRead);
  if (opened || std::string_view(opened.error().where) == store::kOlderSchema) return {};
  return failure(folder.store(), opened.error());
}

Outcome<std::string> prepare_store(const std::string& path) {
  const DataFolder folder(path);
  auto registry = Registry::open(folder.store(), Database::Mode::kWrite);
  if (!registry) return failure(folder.store(), registry.error());
  const auto there = registry->has_senders();
  if (!there) return failure(folder.store(), there.error());
  if (*there) return std::string();
  std::string token = make_token();
  // The file first: a start that is cut short between the two makes another token.
  if (auto written = io::write_file(folder.admin_token(), token + "\n"); !written)
    return failure(folder.admin_token(), written.error());
  const auto added =
      registry->add_sender(kFirstSender, hash_token(base::as_bytes(token)), io::wall_now());
  if (!added) return failure(folder.store(), added.error());
  return token;
}

std::string to_text(const Credentials& credentials) {
  return fmt::format("host = {}\nport = {}\ndevice = {}\ntoken = {}\nca_file = {}\n",
                     credentials.host, credentials.port, credentials.device, credentials.token,
                     credentials.ca_file);
}

Outcome<void> write_credentials(const std::string& file, const Credentials& credentials) {
  if (auto written = io::write_output(file, to_text(credentials), io::OutputMode::kSecret);
      !written)
    return failure(file, written.error());
  return {};
}

Outcome<Credentials> add_device(const std::string& folder, const std::string& name,
                                const std::string& host, std::uint16_t port,
                                const std::vector<store::Members::Entry>& of) {
  if (!wire::is_device_name(name))
    return failure(name, base::Error{ErrorCode::kInvalidArgument, "device name"});
  const DataFolder files(folder);
  auto registry = open_registry(files, Database::Mode::kBeside);
  if (!registry) return std::unexpected(registry.error());
  Credentials credentials{.host = host,
                          .port = port,
                          .device = name,
                          .token = make_token(),
                          .ca_file = std::filesystem::absolute(files.certificate()).string()};
  const auto added =
      registry->add_device(name, hash_token(base::as_bytes(credentials.token)), io::wall_now(), of);
  if (!added) return failure(name, added.error());
  return credentials;
}

Outcome<void> remove_device(const std::string& folder, const std::string& name) {
  auto registry = open_registry(DataFolder(folder), Database::Mode::kBeside);
  if (!registry) return std::unexpected(registry.error());
  if (auto removed = registry->remove_device(name); !removed) return failure(name, removed.error());
  tell_changed(DataFolder(folder).control(), name);
  return {};
}

Outcome<std::vector<DeviceInfo>> list_devices(const std::string& folder) {
  const DataFolder files(folder);
  auto registry = open_registry(files, Database::Mode::kRead);
  if (!registry) return std::unexpected(registry.error());
  const auto devices = registry->devices();
  if (!devices) return failure(files.store(), devices.error());
  std::vector<DeviceInfo> list;
  for (const store::Device& device : *devices)
    list.push_back({device.name, device.created, device.waiting});
  return list;
}

}  // namespace wakeline::server
