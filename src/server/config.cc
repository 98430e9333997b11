// SPDX-License-Identifier: Apache-2.0
#include "server/config.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "server/http2_client.h"
#include "wire/toml_text.h"

namespace wakeline::server {

namespace {

constexpr std::int64_t kSecondsMax = 86'400;  ///< a day: more is a mistake of units
constexpr std::int64_t kShardsMax = 256;      ///< threads; more than processors gain nothing

/// One key: how it is read, how it is shown.
struct ConfigKey {
  std::string section;
  std::string name;
  std::string meaning;
  bool live = false;  ///< a running server takes it over
  /// Returns: what is wrong; empty when it was taken.
  std::function<std::string(const toml::node&, ServerOptions&)> read{};
  std::function<std::string(const ServerOptions&)> show{};
  std::function<void(ServerOptions&, const ServerOptions&)> take{};  ///< its value, from the other

  std::string path() const { return section + "." + name; }
};

std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// `member` gives a reference into the options.
template <class Value>
auto taking(std::function<Value&(ServerOptions&)> member) {
  return [member = std::move(member)](ServerOptions& into, const ServerOptions& from) {
    ServerOptions copy = from;
    member(into) = std::move(member(copy));
  };
}

template <class Number>
ConfigKey number(std::string section, std::string name, std::string meaning, bool live,
                 std::function<Number&(ServerOptions&)> member, std::int64_t least = 0,
                 std::int64_t most = std::numeric_limits<Number>::max()) {
  return {std::move(section),
          std::move(name),
          std::move(meaning),
          live,
          [member, least, most](const toml::node& node, ServerOptions& options) -> std::string {
            const auto value = node.value_exact<std::int64_t>();
            if (!value || *value < least || *value > most)
              return fmt::format("must be a whole number from {} to {}", least, most);
            member(options) = static_cast<Number>(*value);
            return {};
          },
          [member](const ServerOptions& options) {
            ServerOptions copy = options;
            return fmt::format("{}", member(copy));
          },
          taking(member)};
}

ConfigKey seconds(std::string section, std::string name, std::string meaning, bool live,
                  std::function<base::Duration&(ServerOptions&)> member) {
  return {std::move(section),
          std::move(name),
          std::move(meaning),
          live,
          [member](const toml::node& node, ServerOptions& options) -> std::string {
            const auto value = node.value_exact<std::int64_t>();
            if (!value || *value < 1 || *value > kSecondsMax)
              return fmt::format("must be a whole number of seconds from 1 to {}", kSecondsMax);
            member(options) = std::chrono::seconds(*value);
            return {};
          },
          [member](const ServerOptions& options) {
            ServerOptions copy = options;
            return fmt::format(
                "{}", std::chrono::duration_cast<std::chrono::seconds>(member(copy)).count());
          },
          taking(member)};
}

ConfigKey flag(std::string section, std::string name, std::string meaning, bool live,
               std::function<bool&(ServerOptions&)> member) {
  return {std::move(section),
          std::move(name),
          std::move(meaning),
          live,
          [member](const toml::node& node, ServerOptions& options) -> std::string {
            const auto value = node.value_exact<bool>();
            if (!value) return "must be true or false";
            member(options) = *value;
            return {};
          },
          [member](const ServerOptions& options) {
            ServerOptions copy = options;
            return std::string(member(copy) ? "true" : "false");
          },
          taking(member)};
}

ConfigKey text(std::string section, std::string name, std::string meaning, bool live,
               std::function<std::string&(ServerOptions&)> member,
               std::function<std::string(std::string_view)> check = nullptr) {
  return {std::move(section),
          std::move(name),
          std::move(meaning),
          live,
          [member, check](const toml::node& node, ServerOptions& options) -> std::string {
            const auto value = node.value_exact<std::string>();
            if (!value) return "must be a text in quotes";
            if (check) {
              if (std::string wrong = check(*value); !wrong.empty()) return wrong;
            }
            member(options) = *value;
            return {};
          },
          [member](const ServerOptions& options) {
            ServerOptions copy = options;
            return shown(member(copy));
          },
          taking(member)};
}

ConfigKey endpoint(std::string name, std::string meaning,
                   std::function<std::optional<Endpoint>&(ServerOptions&)> member) {
  return {"listen",
          std::move(name),
          std::move(meaning),
          false,
          [member](const toml::node& node, ServerOptions& options) -> std::string {
            constexpr const char* kRule = "must be \"ADDRESS:PORT\" or \"off\"";
            const auto value = node.value_exact<std::string>();
            if (!value) return kRule;
            if (*value == "off") return member(options).reset(), std::string();
            const auto parsed = parse_endpoint(*value);
            if (!parsed) return kRule;
            member(options) = *parsed;
            return {};
          },
          [member](const ServerOptions& options) {
            ServerOptions copy = options;
            const auto& value = member(copy);
            return value ? shown(to_string(*value)) : std::string("\"off\"");
          },
          taking(member)};
}

ConfigKey names(std::string section, std::string name, std::string meaning,
                std::function<std::vector<std::string>&(ServerOptions&)> member) {
  return {std::move(section),
          std::move(name),
          std::move(meaning),
          false,
          [member](const toml::node& node, ServerOptions& options) -> std::string {
            const toml::array* list = node.as_array();
            if (list == nullptr) return "must be a list of texts";
            std::vector<std::string> values;
            for (const toml::node& entry : *list) {
              const auto value = entry.value_exact<std::string>();
              if (!value) return "must be a list of texts";
              values.push_back(*value);
            }
            member(options) = std::move(values);
            return {};
          },
          [member](const ServerOptions& options) {
            ServerOptions copy = options;
            std::string list;
            for (const std::string& value : member(copy))
              list += (list.empty() ? "" : ", ") + shown(value);
            return "[" + list + "]";
          },
          taking(member)};
}

std::string check_url(std::string_view value) {
  if (value.empty() ||
      ((value.starts_with("https://") || value.starts_with("http://")) && !value.ends_with('/')))
    return {};
  return "must begin with https:// or http:// and not end with a slash";
}

std::string check_apns_url(std::string_view value) {
  const std::string url(value);
  if (url.starts_with("https://") && !url.ends_with('/') && !authority_of_url(url).empty())
    return {};
  return "must be a URL that begins with https:// and does not end with a slash";
}

std::string check_push_type(std::string_view value) {
  if (value == "alert" || value == "background" || value == "voip") return {};
  return "must be \"alert\", \"background\" or \"voip\"";
}

std::string check_log_level(std::string_view value) {
  if (value == "debug" || value == "info" || value == "warning" || value == "error") return {};
  return "must be \"debug\", \"info\", \"warning\" or \"error\"";
}

std::string check_log_format(std::string_view value) {
  if (value == "text" || value == "json") return {};
  return "must be \"text\" or \"json\"";
}

using O = ServerOptions;
using U32 = std::uint32_t;

std::vector<ConfigKey> make_keys() {
  return {
      endpoint("mqtts", "Devices by MQTT over TLS",
               [](O& o) -> std::optional<Endpoint>& { return o.mqtts; }),
      endpoint("https", "App servers by HTTPS",
               [](O& o) -> std::optional<Endpoint>& { return o.https; }),
      endpoint("mqtt", "Devices by plain MQTT",
               [](O& o) -> std::optional<Endpoint>& { return o.mqtt; }),
      endpoint("http", "App servers by plain HTTP, for a proxy on this machine",
               [](O& o) -> std::optional<Endpoint>& { return o.http; }),
      endpoint("operators", "Plain HTTP without tokens: /metrics, /v1/stats, /healthz, /readyz",
               [](O& o) -> std::optional<Endpoint>& { return o.operators; }),
      flag("listen", "plain_off_loopback",
           "Permit the plain ones on addresses that others reach; tokens go in clear then", false,
           [](O& o) -> bool& { return o.plain_off_loopback; }),
      names("tls", "names",
            "Names and addresses for the self-signed certificate of the first start, beside "
            "localhost",
            [](O& o) -> std::vector<std::string>& { return o.names; }),
      text("tls", "client_ca_file",
           "PEM file of the authority whose certificates devices may log in with; empty: none",
           false, [](O& o) -> std::string& { return o.client_ca_file; }),
      text("tls", "client_crl_file",
           "PEM file of the certificates that this authority has revoked; empty: none", false,
           [](O& o) -> std::string& { return o.client_crl_file; }),
      text(
          "push", "public_url",
          "What the addresses of Web Push begin with; empty: the Host that a request names", false,
          [](O& o) -> std::string& { return o.public_url; }, check_url),
      flag("push", "vapid_required", "Who pushes to an endpoint must say who it is (RFC 8292)",
           false, [](O& o) -> bool& { return o.vapid_required; }),
      flag("push", "durable",
           "A push is synced to the disk before its answer; without, a power cut may take the last "
           "ones",
           false, [](O& o) -> bool& { return o.durable; }),
      number<U32>(
          "limits", "connections_max", "Devices' connections", false,
          [](O& o) -> U32& { return o.limits.connections_max; }, 1),
      number<U32>(
          "limits", "arriving_per_address_max",
          "Connections of one address on which no device has logged in yet", false,
          [](O& o) -> U32& { return o.limits.arriving_per_address_max; }, 1),
      number<U32>(
          "limits", "shards", "Threads that hold devices; 0: one for each processor", false,
          [](O& o) -> U32& { return o.limits.shards; }, 0, kShardsMax),
      flag(
          "limits", "file_tables",
          "Each shard has a file table of its own: the limit of open files bounds a shard, not the "
          "server",
          false, [](O& o) -> bool& { return o.limits.file_tables; }),
      number<U32>(
          "limits", "http_connections_max", "App servers' connections", true,
          [](O& o) -> U32& { return o.limits.http_connections_max; }, 1),
      number<U32>("limits", "http_connections_per_address",
                  "Of one address; 0: no limit of its own", true,
                  [](O& o) -> U32& { return o.limits.http_connections_per_address; }),
      seconds("limits", "connect_timeout_s", "From TCP to a device's whole CONNECT", false,
              [](O& o) -> base::Duration& { return o.limits.connect_timeout; }),
      seconds("limits", "request_timeout_s", "From an HTTP request's first byte to its last", true,
              [](O& o) -> base::Duration& { return o.limits.request_timeout; }),
      seconds("limits", "idle_timeout_s", "Between two requests of a connection", true,
              [](O& o) -> base::Duration& { return o.limits.idle_timeout; }),
      number<U32>(
          "limits", "queue_max", "Pushes that wait for one device; more get 429", false,
          [](O& o) -> U32& { return o.limits.queue_max; }, 1),
      number<std::uint16_t>(
          "limits", "keep_alive_max_s", "A device that asks for a longer keep-alive is given this",
          false, [](O& o) -> std::uint16_t& { return o.limits.keep_alive_max_s; }, 1),
      number<U32>("limits", "sender_rate", "Pushes a second of one token; 0: no limit", true,
                  [](O& o) -> U32& { return o.limits.sender_rate; }),
      number<U32>("limits", "device_rate", "Pushes a second to one device; 0: no limit", true,
                  [](O& o) -> U32& { return o.limits.device_rate; }),
      number<U32>("limits", "endpoint_rate",
                  "Pushes a second to one Web Push endpoint; 0: no limit", true,
                  [](O& o) -> U32& { return o.limits.endpoint_rate; }),
      number<U32>("limits", "auth_failures",
                  "Wrong tokens a minute from one address, then it waits; 0: no limit", true,
                  [](O& o) -> U32& { return o.limits.auth_failures; }),
      number<U32>("limits", "auth_failures_per_device",
                  "Wrong tokens a minute for one device from one address, then it waits there; 0: "
                  "no limit",
                  true, [](O& o) -> U32& { return o.limits.auth_failures_per_device; }),
      seconds("fallback", "after_s",
              "How long a device is not connected until its pushes go its last way", false,
              [](O& o) -> base::Duration& { return o.fallback.after; }),
      text(
          "fallback", "apns_url", "The vendor's service; a test has its own", false,
          [](O& o) -> std::string& { return o.fallback.apns_url; }, check_apns_url),
      text("fallback", "apns_key_file", "The vendor's signing key (.p8); empty: APNs is not used",
           false, [](O& o) -> std::string& { return o.fallback.apns_key_file; }),
      text("fallback", "apns_key_id", "The id of that key", false,
           [](O& o) -> std::string& { return o.fallback.apns_key_id; }),
      text("fallback", "apns_team_id", "The id of the team that it belongs to", false,
           [](O& o) -> std::string& { return o.fallback.apns_team_id; }),
      text(
          "fallback", "apns_push_type", "What the app gets: alert, background or voip", false,
          [](O& o) -> std::string& { return o.fallback.apns_push_type; }, check_push_type),
      text("fallback", "ca_file", "PEM file of the certificates to trust; empty: the system's",
           false, [](O& o) -> std::string& { return o.fallback.ca_file; }),
      text(
          "log", "level", "debug, info, warning or error", true,
          [](O& o) -> std::string& { return o.log_level; }, check_log_level),
      text(
          "log", "format", "text, or json: one object a line", false,
          [](O& o) -> std::string& { return o.log_format; }, check_log_format),
  };
}

const std::vector<ConfigKey>& keys() {
  static const std::vector<ConfigKey> kKeys = make_keys();
  return kKeys;
}

std::unexpected<ConfigError> wrong(const toml::node& node, std::string key, std::string message) {
  return std::unexpected(ConfigError{node.source().begin.line, std::move(key), std::move(message)});
}

std::string known_names(std::string_view section) {
  std::string list;
  for (const ConfigKey& key : keys()) {
    if (key.section == section) list += (list.empty() ? "" : ", ") + key.name;
  }
  return list;
}

std::expected<void, ConfigError> read_section(const std::string& section, const toml::table& table,
                                              ServerOptions& options) {
  for (const auto& [name, node] : table) {
    const auto key = std::ranges::find_if(
        keys(), [&, wanted = std::string_view(name.str())](const ConfigKey& one) {
          return one.section == section && one.name == wanted;
        });
    const std::string path = section + "." + std::string(name.str());
    if (key == keys().end())
      return wrong(node, path, "is unknown; known here: " + known_names(section));
    if (std::string message = key->read(node, options); !message.empty())
      return wrong(node, path, std::move(message));
  }
  return {};
}

}  // namespace

std::string to_string(const ConfigError& error, const std::string& file) {
  std::string text = file;
  if (error.line != 0) text += fmt::format(":{}", error.line);
  if (!error.key.empty()) text += ": " + error.key;
  return text + ": " + error.message;
}

std::expected<ServerOptions, ConfigError> read_config(std::string_view text,
                                                      ServerOptions defaults) {
  const auto ascii = wire::ascii_toml(text);
  if (!ascii)
    return std::unexpected(ConfigError{ascii.error().line, {}, std::string(ascii.error().what)});
  const toml::parse_result parsed = toml::parse(*ascii);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return std::unexpected(
        ConfigError{error.source().begin.line, {}, std::string(error.description())});
  }
  for (const auto& [name, node] : parsed.table()) {
    const std::string section(name.str());
    const toml::table* table = node.as_table();
    if (table == nullptr || known_names(section).empty()) {
      return wrong(node, section,
                   "is unknown; known sections: listen, tls, push, limits, fallback, log");
    }
    if (auto read = read_section(section, *table, defaults); !read)
      return std::unexpected(std::move(read.error()));
  }
  return defaults;
}

std::string config_text(const ServerOptions& options) {
  std::string text =
      "# wakeline server: every key with its default. A key that is left out has it.\n"
      "# Keys marked (live) are taken over by a running server: systemctl reload wakeline-server\n";
  std::string section;
  for (const ConfigKey& key : keys()) {
    if (key.section != section) text += fmt::format("\n[{}]\n", section = key.section);
    text += fmt::format("# {}{}\n{} = {}\n", key.meaning, key.live ? " (live)" : "", key.name,
                        key.show(options));
  }
  return text;
}

void take_live(ServerOptions& running, const ServerOptions& wanted) {
  for (const ConfigKey& key : keys()) {
    if (key.live) key.take(running, wanted);
  }
}

std::string need_restart(const ServerOptions& running, const ServerOptions& wanted) {
  std::string list;
  for (const ConfigKey& key : keys()) {
    if (!key.live && key.show(running) != key.show(wanted))
      list += (list.empty() ? "" : " ") + key.path();
  }
  return list;
}

}  // namespace wakeline::server
