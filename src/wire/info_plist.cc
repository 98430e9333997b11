// SPDX-License-Identifier: Apache-2.0
#include "wire/info_plist.h"

#include <fmt/format.h>
#include <plist/plist.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "wire/quote.h"

namespace wakeline::wire {
namespace {

using base::ErrorCode;
using Checked = std::expected<void, ManifestError>;

constexpr std::string_view kBinary = "bplist00";
constexpr const char* kBundleId = "CFBundleIdentifier";
constexpr const char* kBackgroundModes = "UIBackgroundModes";
constexpr const char* kApplicationExitsOnSuspend = "UIApplicationExitsOnSuspend";
constexpr const char* kExecutable = "CFBundleExecutable";

struct FreePlist {
  void operator()(void* node) const { plist_free(node); }
};
using Plist = std::unique_ptr<void, FreePlist>;

std::unexpected<ManifestError> fault(std::string_view key, std::string message,
                                     ErrorCode code = ErrorCode::kMalformed) {
  return std::unexpected(ManifestError{code, 0, shortened(key), std::move(message)});
}

/// XML of more levels than any Info.plist has is not given to the library, which recurses to free
/// what it has read.
bool is_too_deep(std::string_view xml) {
  constexpr int kDepthMax = 64;
  int depth = 0;
  for (std::size_t at = xml.find('<'); at != std::string_view::npos; at = xml.find('<', at + 1)) {
    const std::string_view tag = xml.substr(at);
    if (tag.starts_with("<dict>") || tag.starts_with("<array>")) {
      if (++depth > kDepthMax) return true;
    } else if (tag.starts_with("</dict>") || tag.starts_with("</array>")) {
      --depth;
    }
  }
  return false;
}

Plist read_bytes(std::string_view bytes) {
  plist_t root = nullptr;
  const auto size = static_cast<std::uint32_t>(bytes.size());
  if (bytes.starts_with(kBinary)) {
    plist_from_bin(bytes.data(), size, &root);
  } else if (!is_too_deep(bytes)) {
    plist_from_xml(bytes.data(), size, &root);
  }
  return Plist(root);
}

class PlistReader {
 public:
  PlistReader(plist_t dictionary, std::vector<ManifestError>* warnings)
      : dictionary_(dictionary), warnings_(warnings) {}

  Checked read(Manifest& out, std::string_view folder) {
    if (Checked checked = read_id(out); !checked) return checked;
    if (Checked checked = read_name(out); !checked) return checked;
    if (Checked checked = read_command(out, folder); !checked) return checked;
    if (Checked checked = read_modes(out); !checked) return checked;
    return read_flag(kApplicationExitsOnSuspend, out.exits_on_suspend);
  }

 private:
  using Text = std::expected<std::optional<std::string>, ManifestError>;

  static Text text_of(plist_t node, const char* key) {
    if (node == nullptr) return std::nullopt;
    if (plist_get_node_type(node) != PLIST_STRING) return fault(key, "must be a string");
    std::uint64_t size = 0;
    const char* text = plist_get_string_ptr(node, &size);
    std::string value = text == nullptr ? "" : std::string(text, size);
    if (!base::is_utf8(value) || value.find('\0') != std::string::npos) {
      return fault(key, "is no UTF-8 text");
    }
    return value;
  }
  Text text(const char* key) const { return text_of(plist_dict_get_item(dictionary_, key), key); }

  Checked read_id(Manifest& out) {
    auto id = text(kBundleId);
    if (!id) return std::unexpected(std::move(id.error()));
    if (!*id) return fault(kBundleId, "missing");
    // As a bundle identifier it is the same in capitals and small letters.
    for (char& c : **id) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (!is_app_id(**id)) {
      return fault(kBundleId,
                   fmt::format("{} is no id: 1 to {} of a-z, 0-9, '.', '_', '-', not starting "
                               "with '.'",
                               quoted(**id), kAppNameMax));
    }
    out.id = std::move(**id);
    return {};
  }

  Checked read_name(Manifest& out) {
    for (const char* key : {"CFBundleDisplayName", "CFBundleName"}) {
      auto name = text(key);
      if (!name) return std::unexpected(std::move(name.error()));
      if (!*name || (*name)->empty()) continue;
      if ((*name)->size() > kAppNameMax) {
        return fault(key, fmt::format("must be at most {} bytes", kAppNameMax),
                     ErrorCode::kTooLarge);
      }
      out.name = std::move(**name);
      return {};
    }
    out.name = out.id;
    return {};
  }

  Checked read_command(Manifest& out, std::string_view folder) {
    auto executable = text(kExecutable);
    if (!executable) return std::unexpected(std::move(executable.error()));
    if (!*executable || (*executable)->empty()) return fault(kExecutable, "missing");
    const bool absolute = (*executable)->starts_with('/');
    out.command = {absolute ? **executable : fmt::format("{}/{}", folder, **executable)};
    out.working_directory = folder;
    return {};
  }

  Checked read_modes(Manifest& out) {
    const plist_t modes = plist_dict_get_item(dictionary_, kBackgroundModes);
    if (modes == nullptr) return {};
    if (plist_get_node_type(modes) != PLIST_ARRAY) {
      return fault(kBackgroundModes, "must be an array");
    }
    const std::uint32_t count = plist_array_get_size(modes);
    if (count > kPlistEntriesMax) {
      return fault(kBackgroundModes, fmt::format("more than {} modes", kPlistEntriesMax),
                   ErrorCode::kTooLarge);
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      auto mode = text_of(plist_array_get_item(modes, i), kBackgroundModes);
      if (!mode) return std::unexpected(std::move(mode.error()));
      if (*mode == "voip") {
        out.voip = true;
      } else if (*mode == "audio") {
        out.audio = true;
      } else if (warnings_ != nullptr) {
        warnings_->push_back({ErrorCode::kUnsupported, 0, kBackgroundModes,
                              fmt::format("mode {} is not offered, passed over; known: voip, audio",
                                          quoted(mode->value_or("")))});
      }
    }
    return {};
  }

  Checked read_flag(const char* key, bool& out) {
    const plist_t node = plist_dict_get_item(dictionary_, key);
    if (node == nullptr) return {};
    if (plist_get_node_type(node) != PLIST_BOOLEAN) return fault(key, "must be true or false");
    std::uint8_t value = 0;
    plist_get_bool_val(node, &value);
    out = value != 0;
    return {};
  }

  plist_t dictionary_;
  std::vector<ManifestError>* warnings_;
};

}  // namespace

bool is_plist(std::string_view bytes) {
  return bytes.starts_with(kBinary) ||
         bytes.substr(0, 512).find("<plist") != std::string_view::npos;
}

std::expected<Manifest, ManifestError> parse_info_plist(std::string_view bytes,
                                                        std::string_view folder,
                                                        std::vector<ManifestError>* warnings) {
  if (bytes.size() > kInfoPlistMax) {
    return fault({}, fmt::format("longer than {} bytes", kInfoPlistMax), ErrorCode::kTooLarge);
  }
  const Plist root = read_bytes(bytes);
  if (!root || plist_get_node_type(root.get()) != PLIST_DICT) {
    return fault({}, "is no property list with a dictionary at its top");
  }
  Manifest manifest;
  if (Checked checked = PlistReader(root.get(), warnings).read(manifest, folder); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return manifest;
}

}  // namespace wakeline::wire
