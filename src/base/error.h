// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace wakeline::base {

/// What went wrong, as a stable word: metrics labels, the host protocol and exit codes are made of
/// it. Append only; a code keeps its text for ever.
enum class ErrorCode : std::uint8_t {
  kOk = 0,
  kInvalidArgument,  ///< a value outside its documented range
  kMalformed,        ///< foreign bytes that break their format
  kTooLarge,         ///< over a documented limit
  kUnsupported,      ///< well-formed, but not of a version or kind that we serve
  kNotFound,         ///< no such app, device, file or tag
  kAlreadyExists,    ///< the name is taken
  kPermission,       ///< the operating system or our own check said no
  kUnauthorized,     ///< credentials missing or wrong
  kNotDeclared,      ///< the manifest does not declare the background mode (C1)
  kNotSocket,        ///< the fd is no socket (C4)
  kNotTcp,           ///< neither TCP nor, where the profile lets it be tagged, UDP (C4)
  kListening,        ///< a listening socket (C4)
  kNotConnected,     ///< a TCP socket without a connection (C4)
  kNotOwned,         ///< not a socket of this app (C4)
  kTooShort,         ///< a keep-alive timeout below the minimum (C15)
  kNoHandler,        ///< a task without expiration handler (C21)
  kBusy,             ///< try again later
  kClosed,           ///< the other side ended the connection
  kTimeout,          ///< no answer in time
  kUnreachable,      ///< no route, refused, or name not resolved
  kAddressInUse,     ///< the port or path is taken
  kTls,              ///< the TLS handshake or certificate failed
  kStorage,          ///< the disk or database failed
  kStorageFull,      ///< no space left
  kOs,               ///< a system call failed: see os_error
  kNotAllowed,       ///< the host's profile does not offer it (C40)
  kOverBudget,       ///< the app's allowance of today is used up (C40)
  kCount
};

/// The stable snake_case word of a code, for instance "too_short".
std::string_view name(ErrorCode code);
/// The code of a stable word; kCount when there is none.
ErrorCode error_code_from_name(std::string_view wanted);
/// One sentence for people.
std::string_view describe(ErrorCode code);

/// An operating error: small, allocation-free, comparable.
struct Error {
  ErrorCode code = ErrorCode::kOk;
  const char* where = "";  ///< a string literal: the operation, e.g. "cgroup.freeze"
  int os_error = 0;        ///< errno, 0 where none applies

  friend bool operator==(const Error& a, const Error& b) {
    return a.code == b.code && a.os_error == b.os_error && std::string_view(a.where) == b.where;
  }
};

/// "cgroup.freeze: permission denied by the system (Permission denied)".
std::string to_string(const Error& error);

/// The error of the system call that just failed, with a code that fits `os_error`.
Error os_error(const char* where, int os_error);

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, const char* where, int os = 0) {
  return std::unexpected<Error>(Error{code, where, os});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(error); }

}  // namespace wakeline::base
