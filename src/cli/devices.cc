// SPDX-License-Identifier: Apache-2.0
#include "cli/devices.h"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/server_folder.h"
#include "cli/terminal.h"
#include "io/file.h"
#include "server/admin.h"
#include "server/admin_access.h"

namespace wakeline::cli {
namespace {

using store::MemberKind;
using Entry = store::Members::Entry;

struct DevicesOptions {
  std::string folder = default_server_folder();
  NewDevice device;
  std::vector<std::string> users;
  std::vector<std::string> groups;
  std::vector<std::string> rights;
  std::vector<std::string> permit;
  std::vector<std::string> forbid;
};

int report_device_failure(const server::Failure& failure) {
  return report("devices", failure.error.code, server::to_string(failure), hint_of(failure));
}

std::vector<Entry> entries(const DevicesOptions& options) {
  std::vector<Entry> list;
  for (const std::string& user : options.users) list.push_back({MemberKind::kUser, user});
  for (const std::string& group : options.groups) list.push_back({MemberKind::kGroup, group});
  return list;
}

int change(const DevicesOptions& options, bool joins) {
  const auto list = entries(options);
  if (list.empty()) {
    return report("devices", base::ErrorCode::kInvalidArgument, "--user or --group is needed",
                  "wakeline devices join door-1 --user ada");
  }
  for (const Entry& entry : list) {
    const auto done = joins ? server::join(options.folder, options.device.name, entry)
                            : server::leave(options.folder, options.device.name, entry);
    if (!done) return report_device_failure(done.error());
  }
  return kExitOk;
}

/// Nothing is made where a part of it cannot be.
int add(const DevicesOptions& options) {
  NewDevice device = options.device;
  device.of = entries(options);
  for (const Entry& entry : device.of) {
    if (const auto checked = server::check_member(entry); !checked)
      return report_device_failure(checked.error());
  }
  return add_device(options.folder, device);
}

int list(const DevicesOptions& options) {
  const auto devices = server::list_devices(options.folder);
  if (!devices) return report_device_failure(devices.error());
  Table table({{"device"}, {"waiting", Table::Align::kRight}, {"belongs to"}});
  for (const server::DeviceInfo& device : *devices) {
    const auto of = server::memberships(options.folder, device.name);
    if (!of) return report_device_failure(of.error());
    std::string all;
    for (const Entry& entry : *of) {
      all += fmt::format("{}{} {}", all.empty() ? "" : ", ",
                         entry.kind == MemberKind::kUser ? "user" : "group", entry.name);
    }
    table.add({device.name, std::to_string(device.waiting), all});
  }
  table.print();
  return kExitOk;
}

/// Sets what was given; then, and without anything given, says what it may publish.
int rights(const DevicesOptions& options) {
  const std::string& name = options.device.name;
  if (!options.rights.empty()) {
    const auto wanted = server::rights_from(options.rights);
    if (!wanted) {
      return report("devices", base::ErrorCode::kInvalidArgument, "that is no right",
                    "The rights are reply, receipt, presence; or none, alone.");
    }
    if (const auto set = server::set_rights(options.folder, name, *wanted); !set)
      return report_device_failure(set.error());
  }
  const auto has = server::rights(options.folder, name);
  if (!has) return report_device_failure(has.error());
  fmt::print("{}\n", server::rights_text(*has));
  return kExitOk;
}

/// Permits and forbids what was given; then says which groups the device may join by itself.
int groups(const DevicesOptions& options) {
  const std::string& name = options.device.name;
  for (const bool permit : {true, false}) {
    for (const std::string& group : permit ? options.permit : options.forbid) {
      const auto done = server::permit_group(options.folder, name, group, permit);
      if (!done) return report_device_failure(done.error());
    }
  }
  const auto list = server::permitted_groups(options.folder, name);
  if (!list) return report_device_failure(list.error());
  for (const std::string& group : *list) fmt::print("{}\n", group);
  return kExitOk;
}

void add_members(CLI::App& command, DevicesOptions& options) {
  command.add_option("--user", options.users, "A user; may be given again");
  command.add_option("--group", options.groups, "A group; may be given again");
}

}  // namespace

int add_device(const std::string& folder, const NewDevice& device) {
  const auto added = server::add_device(folder, device.name, device.host, device.port, device.of);
  if (!added) return report_device_failure(added.error());
  if (device.output.empty()) {
    fmt::print("{}", server::to_text(*added));
  } else if (const auto written = server::write_credentials(device.output, *added); !written) {
    // The token would be lost with its device in place: nobody could ever use it.
    static_cast<void>(server::remove_device(folder, device.name));
    return report_device_failure(written.error());
  } else if (!io::names_stdout(device.output)) {
    fmt::print("Wrote the credentials of {} to {}. The token is nowhere else.\n", device.name,
               device.output);
  }
  auto noted = server::audit_operator(folder, "device_added", {{"device", device.name}});
  for (const Entry& entry : device.of) {
    if (noted) noted = server::audit_join(folder, device.name, entry);
  }
  return noted ? kExitOk : report_device_failure(noted.error());
}

int remove_device(const std::string& folder, const std::string& name) {
  if (const auto removed = server::remove_device(folder, name); !removed)
    return report_device_failure(removed.error());
  const auto noted = server::audit_operator(folder, "device_removed", {{"device", name}});
  return noted ? kExitOk : report_device_failure(noted.error());
}

int list_devices(const std::string& folder) {
  DevicesOptions options;
  options.folder = folder;
  return list(options);
}

void add_new_device_options(CLI::App& command, NewDevice& device) {
  command.add_option("device", device.name, "Its name: letters, digits, dots, dashes, underscores")
      ->required();
  command
      .add_option("--host", device.host, "The server's name or address, as the device reaches it")
      ->capture_default_str();
  command.add_option("--port", device.port, "Its port of MQTT over TLS")->capture_default_str();
  command
      .add_option("--output", device.output,
                  "Write the credentials to this file (0600), not to stdout (-)")
      ->type_name("FILE");
}

void add_devices(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<DevicesOptions>();
  CLI::App* command = root.add_subcommand("devices", "The devices of the push server");
  command->require_subcommand(1);
  command->fallthrough();
  command->add_option("--data-folder", options->folder, "The server's folder")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->footer("They work beside a running server, which heeds a change at once.");

  CLI::App* adds = command->add_subcommand("add", "Makes a device and its token");
  add_new_device_options(*adds, options->device);
  add_members(*adds, *options);
  adds->callback([options, &exit_code] { exit_code = add(*options); });

  CLI::App* lists = command->add_subcommand(
      "list", "The devices, how many pushes wait for each, and what they belong to");
  lists->callback([options, &exit_code] { exit_code = list(*options); });

  CLI::App* removes =
      command->add_subcommand("remove", "Removes a device with all that waits for it");
  removes->add_option("device", options->device.name, "Its name")->required()->type_name("DEVICE");
  removes->callback(
      [options, &exit_code] { exit_code = remove_device(options->folder, options->device.name); });

  for (const bool joins : {true, false}) {
    CLI::App* changes = command->add_subcommand(
        joins ? "join" : "leave",
        joins ? "Puts a device among those of a user or a group" : "Takes it out again");
    changes->add_option("device", options->device.name, "Its name")
        ->required()
        ->type_name("DEVICE");
    add_members(*changes, *options);
    changes->callback([options, joins, &exit_code] { exit_code = change(*options, joins); });
  }

  CLI::App* may = command->add_subcommand(
      "rights", "Says what a device may publish, and changes it where rights are given");
  may->add_option("device", options->device.name, "Its name")->required()->type_name("DEVICE");
  may->add_option("rights", options->rights, "All that it may: reply, receipt, presence; or none");
  may->callback([options, &exit_code] { exit_code = rights(*options); });

  CLI::App* joins = command->add_subcommand(
      "groups", "Says which groups a device may join by itself, and changes it");
  joins->add_option("device", options->device.name, "Its name")->required()->type_name("DEVICE");
  joins->add_option("--permit", options->permit, "It may join this one; may be given again");
  joins->add_option("--forbid", options->forbid,
                    "It may not join this one, and leaves it; may be given again");
  joins->callback([options, &exit_code] { exit_code = groups(*options); });
}

}  // namespace wakeline::cli
