// SPDX-License-Identifier: Apache-2.0
#include <wakeline/wakeline.h>

#include <array>
#include <string>

#include "app/c/boundary.h"

namespace wakeline::app::c {
namespace {

constexpr std::size_t kMessageMax = 512;
/// An array, so that telling of an error needs no memory.
thread_local std::array<char, kMessageMax> message_of_thread = {};

static_assert(kSame<WAKELINE_ERROR_INVALID_ARGUMENT, ErrorCode::kInvalidArgument>);
static_assert(kSame<WAKELINE_ERROR_MALFORMED, ErrorCode::kMalformed>);
static_assert(kSame<WAKELINE_ERROR_TOO_LARGE, ErrorCode::kTooLarge>);
static_assert(kSame<WAKELINE_ERROR_UNSUPPORTED, ErrorCode::kUnsupported>);
static_assert(kSame<WAKELINE_ERROR_NOT_FOUND, ErrorCode::kNotFound>);
static_assert(kSame<WAKELINE_ERROR_ALREADY_EXISTS, ErrorCode::kAlreadyExists>);
static_assert(kSame<WAKELINE_ERROR_PERMISSION, ErrorCode::kPermission>);
static_assert(kSame<WAKELINE_ERROR_UNAUTHORIZED, ErrorCode::kUnauthorized>);
static_assert(kSame<WAKELINE_ERROR_NOT_DECLARED, ErrorCode::kNotDeclared>);
static_assert(kSame<WAKELINE_ERROR_NOT_SOCKET, ErrorCode::kNotSocket>);
static_assert(kSame<WAKELINE_ERROR_NOT_TCP, ErrorCode::kNotTcp>);
static_assert(kSame<WAKELINE_ERROR_LISTENING, ErrorCode::kListening>);
static_assert(kSame<WAKELINE_ERROR_NOT_CONNECTED, ErrorCode::kNotConnected>);
static_assert(kSame<WAKELINE_ERROR_NOT_OWNED, ErrorCode::kNotOwned>);
static_assert(kSame<WAKELINE_ERROR_TOO_SHORT, ErrorCode::kTooShort>);
static_assert(kSame<WAKELINE_ERROR_NO_HANDLER, ErrorCode::kNoHandler>);
static_assert(kSame<WAKELINE_ERROR_BUSY, ErrorCode::kBusy>);
static_assert(kSame<WAKELINE_ERROR_CLOSED, ErrorCode::kClosed>);
static_assert(kSame<WAKELINE_ERROR_TIMEOUT, ErrorCode::kTimeout>);
static_assert(kSame<WAKELINE_ERROR_UNREACHABLE, ErrorCode::kUnreachable>);
static_assert(kSame<WAKELINE_ERROR_ADDRESS_IN_USE, ErrorCode::kAddressInUse>);
static_assert(kSame<WAKELINE_ERROR_TLS, ErrorCode::kTls>);
static_assert(kSame<WAKELINE_ERROR_STORAGE, ErrorCode::kStorage>);
static_assert(kSame<WAKELINE_ERROR_STORAGE_FULL, ErrorCode::kStorageFull>);
static_assert(kSame<WAKELINE_ERROR_OS, ErrorCode::kOs>);
static_assert(kSame<WAKELINE_ERROR_NOT_ALLOWED, ErrorCode::kNotAllowed>);
static_assert(kSame<WAKELINE_ERROR_OVER_BUDGET, ErrorCode::kOverBudget>);
static_assert(kSame<WAKELINE_ERROR_NO_HOST, ErrorCode::kNoHost>);
static_assert(kSame<WAKELINE_ERROR_WRONG_STATE, ErrorCode::kWrongState>);

}  // namespace

wakeline_error_t fail(wakeline_error_t code, std::string_view message) {
  const std::size_t size = std::min(message.size(), kMessageMax - 1);
  std::copy_n(message.data(), size, message_of_thread.data());
  message_of_thread[size] = '\0';
  return code;
}

wakeline_error_t fail_handle(std::string_view parameter) {
  return fail(WAKELINE_ERROR_HANDLE, std::string(parameter) + ": not a live handle of its kind");
}

wakeline_error_t fail_null(std::string_view parameter) {
  return fail(WAKELINE_ERROR_INVALID_ARGUMENT, std::string(parameter) + ": NULL");
}

}  // namespace wakeline::app::c

extern "C" {

const char* wakeline_version(void) { return WAKELINE_LIBRARY_VERSION; }

const char* wakeline_error_message(void) { return wakeline::app::c::message_of_thread.data(); }

const char* wakeline_error_name(wakeline_error_t code) {
  switch (code) {
    case WAKELINE_ERROR_HANDLE:
      return "handle";
    case WAKELINE_ERROR_BUFFER:
      return "buffer";
    case WAKELINE_ERROR_EXCEPTION:
      return "exception";
    case WAKELINE_ERROR_NO_MEMORY:
      return "no_memory";
    default:
      break;
  }
  const bool known = (code >= WAKELINE_OK && code <= WAKELINE_ERROR_OVER_BUDGET) ||
                     code == WAKELINE_ERROR_NO_HOST || code == WAKELINE_ERROR_WRONG_STATE;
  // The names are literals, so they end with a 0 byte.
  return known ? wakeline::name(static_cast<wakeline::ErrorCode>(code)).data() : "unknown";
}

}  // extern "C"
