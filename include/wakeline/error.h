// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/export.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace wakeline {

/// What went wrong; stable numbers and words, to which later versions only add.
enum class ErrorCode : std::uint8_t {
  kOk = 0,               ///< no error
  kInvalidArgument = 1,  ///< a value outside its documented range
  kMalformed = 2,        ///< a file or message that breaks its format
  kTooLarge = 3,         ///< over a documented limit
  kUnsupported = 4,      ///< a version or kind that is not served
  kNotFound = 5,         ///< no such file or thing
  kAlreadyExists = 6,    ///< the name is taken
  kPermission = 7,       ///< the system or the host said no
  kUnauthorized = 8,     ///< credentials missing or wrong
  kNotDeclared = 9,      ///< the app's manifest does not declare the background mode `voip`
  kNotSocket = 10,       ///< the descriptor is closed, or no socket
  kNotTcp = 11,          ///< a socket, but not TCP; in profile `linux` UDP may do
  kListening = 12,       ///< a listening socket
  kNotConnected = 13,    ///< a TCP socket without a connection
  kNotOwned = 14,        ///< a socket of another process
  kTooShort = 15,        ///< a keep-alive timeout below the minimum
  kNoHandler = 16,       ///< a handler is required and missing
  kBusy = 17,            ///< taken by another, or try again later
  kClosed = 18,          ///< the other side ended the connection
  kTimeout = 19,         ///< no answer in time
  kUnreachable = 20,     ///< no route, refused, or the name was not resolved
  kAddressInUse = 21,    ///< the port or path is taken
  kTls = 22,             ///< the TLS handshake, a certificate or a key failed
  kStorage = 23,         ///< the disk failed
  kStorageFull = 24,     ///< no space left: disk, quota or the process's limit
  kOs = 25,              ///< a system call failed
  kNotAllowed = 26,      ///< the host's profile does not offer it
  kOverBudget = 27,      ///< the app's allowance of today is used up
  kNoHost = 64,          ///< no Wakeline host is there; nothing is suspended, nobody is notified
  kWrongState = 65,      ///< a call that comes too early or too late; the message says which
};

/// The stable word of a code: "too_short".
WAKELINE_API std::string_view name(ErrorCode code);

/// An error for programs (`code`) and for people (`message`: what and where, no full stop).
struct Error {
  ErrorCode code = ErrorCode::kOk;  ///< for programs
  std::string message = {};         ///< for people
  friend bool operator==(const Error&, const Error&) = default;
};

/// A value or an Error, for compilers that lack std::expected.
template <class T>
class [[nodiscard]] Result {
 public:
  /// Success.
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  /// Failure.
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool has_value() const { return content_.index() == 0; }  ///< whether it is a success
  explicit operator bool() const { return has_value(); }    ///< as has_value
  /// The value; where there is none, std::bad_variant_access is thrown.
  T& value() & { return std::get<0>(content_); }
  /// @copydoc value()
  const T& value() const& { return std::get<0>(content_); }
  /// @copydoc value()
  T&& value() && { return std::get<0>(std::move(content_)); }
  /// @copydoc value()
  T& operator*() & { return value(); }
  /// @copydoc value()
  const T& operator*() const& { return value(); }
  /// @copydoc value()
  T&& operator*() && { return std::move(*this).value(); }
  /// @copydoc value()
  T* operator->() { return &value(); }
  /// @copydoc value()
  const T* operator->() const { return &value(); }
  /// The error; where there is a value, std::bad_variant_access is thrown.
  const Error& error() const { return std::get<1>(content_); }

 private:
  std::variant<T, Error> content_;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;  ///< success
  /// Failure.
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool has_value() const { return !error_; }              ///< whether it is a success
  explicit operator bool() const { return has_value(); }  ///< as has_value
  /// The error; where there is none, std::bad_optional_access is thrown.
  const Error& error() const { return error_.value(); }

 private:
  std::optional<Error> error_;
};

}  // namespace wakeline
