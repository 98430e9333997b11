// SPDX-License-Identifier: Apache-2.0
#include <wakeline/push_client.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <string_view>

#include "app/errors.h"
#include "io/file.h"

namespace wakeline {
namespace {

constexpr std::size_t kFileMax = 65'536;  // bytes of a credentials file

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// "push.example" of `"push.example"`: quotes are allowed, as in TOML.
std::string_view unquote(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

/// A file's faults, with its name and line.
class Faults {
 public:
  explicit Faults(std::string file) : file_(std::move(file)) {}
  Error at(int line, std::string_view field, std::string_view what) const {
    std::string message = file_;
    if (line > 0) message += ":" + std::to_string(line);
    if (!field.empty()) message += ": " + std::string(field);
    return {ErrorCode::kMalformed, message + ": " + std::string(what)};
  }

 private:
  std::string file_;
};

/// Sets the field `key`; what is wrong with the value, or nothing.
std::string_view set_field(PushClient::Options& options, std::string_view key,
                           std::string_view value) {
  // An empty ca_file is the system's trust store.
  if (value.empty() && key != "ca_file") return "is empty";
  if (key == "port") {
    const auto* end = std::to_address(value.end());
    const auto [rest, error] = std::from_chars(std::to_address(value.begin()), end, options.port);
    const bool whole = error == std::errc() && rest == end && options.port != 0;
    return whole ? "" : "must be a whole number from 1 to 65535";
  }
  if (key == "host") {
    options.host = value;
  } else if (key == "device") {
    options.device = value;
  } else if (key == "token") {
    options.token = value;
  } else if (key == "ca_file") {
    options.ca_file = value;
  } else {
    return "unknown; known are host, port, device, token, ca_file";
  }
  return "";
}

Result<PushClient::Options> parse(std::string_view text, const Faults& faults) {
  PushClient::Options options;
  std::set<std::string, std::less<>> seen;
  for (int line = 1; !text.empty(); ++line) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view content = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty() || content.front() == '#') continue;
    const auto equals = content.find('=');
    if (equals == std::string_view::npos) return faults.at(line, "", "expected 'key = value'");
    const std::string_view key = trim(content.substr(0, equals));
    if (!seen.emplace(key).second) return faults.at(line, key, "is there twice");
    const std::string_view fault =
        set_field(options, key, unquote(trim(content.substr(equals + 1))));
    if (!fault.empty()) return faults.at(line, key, fault);
  }
  for (const std::string_view key : {"host", "device", "token"}) {
    if (!seen.contains(key)) return faults.at(0, key, "is missing");
  }
  return options;
}

}  // namespace

Result<PushClient::Options> PushClient::Options::from_file(const std::string& path) {
  const auto text = io::read_file(path, kFileMax);
  if (!text) return app::to_public(text.error(), path);
  auto options = parse(*text, Faults(path));
  if (!options) return options;
  const auto slash = path.find_last_of('/');
  if (!options->ca_file.empty() && options->ca_file.front() != '/' && slash != std::string::npos) {
    options->ca_file = path.substr(0, slash + 1) + options->ca_file;
  }
  return options;
}

}  // namespace wakeline
