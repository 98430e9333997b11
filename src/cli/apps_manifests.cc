// SPDX-License-Identifier: Apache-2.0
#include "cli/apps_manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/exit_code.h"
#include "cli/host_client.h"
#include "cli/terminal.h"
#include "host/manifests.h"
#include "host/settings.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

using base::ErrorCode;

struct ManifestOptions {
  const std::string& runtime_folder;
  std::string state_folder;  ///< empty: that of the running host, else the default
  std::string subject;       ///< app or file
  std::vector<std::string> changes;
  bool json = false;
};

/// Where manifests and settings are, and the host that runs there, if one does.
struct ManifestPlace {
  std::string state_folder;
  std::string apps_folder;
  std::optional<host::ControlClient> client;

  /// What changed is taken up at once. Returns: the exit code.
  int tell_host() {
    if (!client) return kExitOk;
    if (const auto done = client->reload(); !done) {
      return report("host", done.error().code, done.error().message);
    }
    return kExitOk;
  }
};

ManifestPlace find_place(const ManifestOptions& options) {
  ManifestPlace place;
  auto client = connect_to_host({options.runtime_folder});
  const bool elsewhere =
      client && !options.state_folder.empty() &&
      !std::filesystem::equivalent(options.state_folder, client->welcome().state_folder);
  if (client && !elsewhere) {
    place.state_folder = client->welcome().state_folder;
    place.apps_folder = client->welcome().apps_folder;
    place.client = std::move(*client);
  }
  if (place.state_folder.empty()) {
    place.state_folder =
        options.state_folder.empty() ? io::default_state_folder() : options.state_folder;
  }
  if (place.apps_folder.empty()) place.apps_folder = place.state_folder + "/apps";
  return place;
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings)
    fmt::print(stderr, "wakeline: {}\n", base::printable(warning));
}

using Found = std::pair<wire::Manifest, std::string>;

/// The app's manifest and its file, which is not `except`.
std::optional<Found> find_manifest(const ManifestPlace& place, const std::string& app,
                                   const std::string& except = {}) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(place.apps_folder, error)) {
    if (!host::is_manifest(entry.path().filename().string()) || entry.path() == except) continue;
    std::vector<std::string> ignored;
    auto manifest = host::read_manifest(entry.path().string(), ignored);
    if (manifest && manifest->id == app) return Found(*manifest, entry.path().string());
  }
  return std::nullopt;
}

int report_absent(const ManifestPlace& place, const std::string& app) {
  return report(app, ErrorCode::kNotFound,
                fmt::format("no manifest of it is in {}", place.apps_folder),
                "What is there: wakeline apps list");
}

int install(const ManifestOptions& options) {
  std::vector<std::string> warnings;
  const auto manifest = host::read_manifest(options.subject, warnings);
  warn(warnings);
  if (!manifest) return report("install", ErrorCode::kMalformed, manifest.error());
  ManifestPlace place = find_place(options);
  // A desktop entry keeps its other keys; of an Info.plist one is made.
  const bool is_entry = options.subject.ends_with(".desktop");
  const auto text = is_entry ? io::read_file(options.subject, wire::kManifestMax)
                             : wire::write_desktop_entry(*manifest);
  if (!text) return report(options.subject, text.error());
  const std::string path = fmt::format("{}/{}.desktop", place.apps_folder, manifest->id);
  // The host takes one of the two, by their names, and passes the other over.
  if (const auto other = find_manifest(place, manifest->id, path)) {
    return report("install", ErrorCode::kAlreadyExists,
                  fmt::format("the id '{}' is taken by {}", manifest->id, other->second),
                  "That one has to go first, or one of them needs another id.");
  }
  const bool known = std::filesystem::exists(path);
  auto done = io::make_folder(place.apps_folder);
  if (done) done = io::write_file(path, *text, 0644);
  if (!done) return report(path, done.error());
  fmt::print("{} {}: {}\n", known ? "updated" : "installed", manifest->id, base::printable(path));
  if (const int code = place.tell_host(); code != kExitOk) return code;
  fmt::print("  Start it: wakeline apps launch {}\n", manifest->id);
  return kExitOk;
}

int remove(const ManifestOptions& options) {
  ManifestPlace place = find_place(options);
  const auto found = find_manifest(place, options.subject);
  if (!found) return report_absent(place, options.subject);
  std::error_code error;
  if (!std::filesystem::is_regular_file(found->second, error)) {
    return report(found->second, ErrorCode::kUnsupported, "is a folder: remove it by hand");
  }
  if (const auto removed = io::remove_file(found->second); !removed) {
    return report(found->second, removed.error());
  }
  fmt::print("removed {}: {}\n", options.subject, base::printable(found->second));
  return place.tell_host();
}

int set(const ManifestOptions& options) {
  ManifestPlace place = find_place(options);
  if (!wire::is_app_id(options.subject)) {
    return report(options.subject, ErrorCode::kInvalidArgument, "is no id of an app");
  }
  const auto changed = host::change_settings(place.state_folder, options.subject, options.changes);
  if (!changed) return report(options.subject, ErrorCode::kInvalidArgument, changed.error());
  const auto word = [](const std::optional<bool>& mode) {
    return mode ? (*mode ? "yes" : "no") : "default";
  };
  fmt::print("{}: style={} voip={} audio={}\n", options.subject,
             changed->style ? name(*changed->style) : "default", word(changed->voip),
             word(changed->audio));
  return place.tell_host();
}

std::string modes_of(const wire::Manifest& manifest) {
  if (!manifest.voip && !manifest.audio) return "none";
  return fmt::format("{}{}{}", manifest.voip ? "voip" : "",
                     manifest.voip && manifest.audio ? ", " : "", manifest.audio ? "audio" : "");
}

std::string seconds_of(base::Duration span) {
  if (span == base::Duration::zero()) return "none";
  return fmt::format("{} s", span / std::chrono::seconds(1));
}

/// What became of the memory of a long sleep, and when.
std::string given_back_of(const wire::host::AppInfo& app) {
  if (app.given_back_ns == 0) return "nothing";
  const std::string at = clock_text(app.given_back_ns);
  if (app.give_back_error != ErrorCode::kOk) {
    return fmt::format("refused at {}: {}", at, base::name(app.give_back_error));
  }
  return fmt::format("{} KiB at {}", app.given_back_kib, at);
}

using Rows = std::vector<std::pair<std::string, std::string>>;

void add_manifest(const wire::Manifest& manifest, const std::string& file,
                  const host::Settings& settings, Rows& rows) {
  const wire::Manifest granted = host::as_granted(manifest, settings);
  rows.emplace_back("name", manifest.name);
  rows.emplace_back("manifest", file);
  rows.emplace_back("command", fmt::format("{}", fmt::join(manifest.command, " ")));
  rows.emplace_back("declared", modes_of(manifest));
  rows.emplace_back("granted", modes_of(granted));
  rows.emplace_back("sockets",
                    granted.sockets.empty() ? "tagged by the app" : to_string(granted.sockets));
  rows.emplace_back("keep-alive", seconds_of(granted.keep_alive));
  rows.emplace_back("tcp-keepalive", seconds_of(granted.tcp_keep_alive));
  rows.emplace_back("media", granted.media.empty() ? "none" : to_string(granted.media));
  rows.emplace_back("merge pings", seconds_of(granted.merge_pings));
  rows.emplace_back("relaunch", manifest.relaunch ? "yes" : "no");
  rows.emplace_back("exits on suspend", manifest.exits_on_suspend ? "yes" : "no");
  rows.emplace_back("reclaim", manifest.reclaim ? "yes" : "no");
  rows.emplace_back("ipc", name(manifest.ipc));
  rows.emplace_back("style", name(granted.style));
}

int info(const ManifestOptions& options) {
  ManifestPlace place = find_place(options);
  const auto settings = host::load_settings(place.state_folder);
  if (!settings) return report("settings", ErrorCode::kMalformed, settings.error());
  Rows rows = {{"app", options.subject}};
  bool found = false;
  if (place.client) {
    const auto apps = place.client->list();
    if (!apps) return report("host", apps.error().code, apps.error().message);
    const auto app = std::ranges::find(*apps, options.subject, &wire::host::AppInfo::app);
    if (app != apps->end()) {
      found = true;
      rows.emplace_back("state", wire::host::name(app->state));
      rows.emplace_back("pid", app->pid == 0 ? "" : std::to_string(app->pid));
      rows.emplace_back("tagged sockets", std::to_string(app->tags));
      rows.emplace_back("wakes", std::to_string(app->wakes));
      rows.emplace_back("cpu", span_text(static_cast<long long>(app->cpu_us) * 1000));
      rows.emplace_back("memory", fmt::format("{} KiB", app->memory_kib));
      rows.emplace_back("given back", given_back_of(*app));
    }
  }
  const auto manifest = find_manifest(place, options.subject);
  if (!manifest && !found) return report_absent(place, options.subject);
  if (manifest) {
    add_manifest(manifest->first, manifest->second, *settings, rows);
  } else {
    rows.emplace_back("manifest", "none: wakeline run started it");
  }
  if (options.json) {
    boost::json::object object;
    for (const auto& [key, value] : rows) object[key] = value;
    fmt::print("{}\n", base::printable_json(boost::json::serialize(object)));
    return kExitOk;
  }
  for (const auto& [key, value] : rows) fmt::print("{:<18}{}\n", key, base::printable(value));
  return kExitOk;
}

}  // namespace

void add_manifest_commands(CLI::App& apps, const std::string& runtime_folder, int& exit_code) {
  auto options =
      std::make_shared<ManifestOptions>(ManifestOptions{runtime_folder, {}, {}, {}, false});
  apps.add_option("--state-folder", options->state_folder,
                  "The host's folder; default: that of the running host")
      ->type_name("FOLDER");

  CLI::App* command = apps.add_subcommand(
      "install",
      "Copies a manifest to the host's folder: a *.desktop file, an Info.plist, or the "
      "folder of an app with one");
  command->add_option("file", options->subject, "The manifest")
      ->required()
      ->type_name("FILE")
      ->check(CLI::ExistingPath);
  command->callback([options, &exit_code] { exit_code = install(*options); });

  command = apps.add_subcommand("remove", "Removes an app's manifest, and closes the app");
  command->add_option("app", options->subject, "The app's id")->required()->type_name("APP");
  command->callback([options, &exit_code] { exit_code = remove(*options); });

  command = apps.add_subcommand("info", "Everything about one app: manifest, settings, state");
  command->add_option("app", options->subject, "The app's id")->required()->type_name("APP");
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &exit_code] { exit_code = info(*options); });

  command = apps.add_subcommand(
      "set", "Your own settings of an app; a running host takes them up at once");
  command->add_option("app", options->subject, "The app's id")->required()->type_name("APP");
  command
      ->add_option("setting", options->changes,
                   "style=banner|alert|none|default, voip=yes|no|default, audio=yes|no|default")
      ->required();
  command->callback([options, &exit_code] { exit_code = set(*options); });
}

}  // namespace wakeline::cli
