// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <array>
#include <cerrno>
#include <system_error>

namespace wakeline::base {
namespace {

struct Row {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Row, static_cast<std::size_t>(ErrorCode::kCount)> kRows = {{
    {"ok", "no error"},
    {"invalid_argument", "a value is outside its range"},
    {"malformed", "the data breaks its format"},
    {"too_large", "over the size limit"},
    {"unsupported", "this version or kind is not supported"},
    {"not_found", "there is no such thing"},
    {"already_exists", "the name is taken"},
    {"permission", "permission denied"},
    {"unauthorized", "the credentials are missing or wrong"},
    {"not_declared", "the app's manifest does not declare this background mode"},
    {"not_socket", "the file descriptor is not a socket"},
    {"not_tcp", "only a TCP socket can be tagged, and in profile linux a UDP socket"},
    {"listening", "a listening socket cannot be tagged"},
    {"not_connected", "the socket is not connected"},
    {"not_owned", "the socket does not belong to this app"},
    {"too_short", "the timeout is below the minimum"},
    {"no_handler", "a background task needs an expiration handler"},
    {"busy", "busy; try again later"},
    {"closed", "the other side ended the connection"},
    {"timeout", "no answer in time"},
    {"unreachable", "the other side cannot be reached"},
    {"address_in_use", "the address is in use"},
    {"tls", "the TLS handshake failed"},
    {"storage", "the storage failed"},
    {"storage_full", "no space left in the storage"},
    {"os", "a system call failed"},
    {"not_allowed", "the host's profile does not offer this"},
    {"over_budget", "the app's allowance of today is used up"},
}};

ErrorCode code_of(int os) {
  switch (os) {
    case EPERM:
    case EACCES:
    case EROFS:
      return ErrorCode::kPermission;
    case ENOENT:
    case ESRCH:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case EADDRINUSE:
      return ErrorCode::kAddressInUse;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return ErrorCode::kUnreachable;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return ErrorCode::kClosed;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kStorageFull;
    case ENOTSOCK:
      return ErrorCode::kNotSocket;
    case ENOTCONN:
      return ErrorCode::kNotConnected;
    case EMSGSIZE:
    case E2BIG:
      return ErrorCode::kTooLarge;
    default:
      return ErrorCode::kOs;
  }
}

}  // namespace

std::string_view name(ErrorCode code) { return kRows.at(static_cast<std::size_t>(code)).name; }

ErrorCode error_code_from_name(std::string_view wanted) {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == wanted) return static_cast<ErrorCode>(i);
  }
  return ErrorCode::kCount;
}

std::string_view describe(ErrorCode code) { return kRows.at(static_cast<std::size_t>(code)).text; }

std::string to_string(const Error& error) {
  std::string text = error.where;
  if (!text.empty()) text += ": ";
  text += describe(error.code);
  if (error.os_error != 0) text += " (" + std::generic_category().message(error.os_error) + ")";
  return text;
}

Error os_error(const char* where, int os) { return Error{code_of(os), where, os}; }

}  // namespace wakeline::base
