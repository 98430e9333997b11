// SPDX-License-Identifier: Apache-2.0
#include "app/errors.h"

namespace wakeline {
namespace {

// The public codes are ours by number, so that neither list needs a table of the other.
template <base::ErrorCode kOurs, ErrorCode kPublic>
constexpr bool kSame = static_cast<int>(kOurs) == static_cast<int>(kPublic);
using Base = base::ErrorCode;
static_assert(kSame<Base::kOk, ErrorCode::kOk>);
static_assert(kSame<Base::kInvalidArgument, ErrorCode::kInvalidArgument>);
static_assert(kSame<Base::kMalformed, ErrorCode::kMalformed>);
static_assert(kSame<Base::kTooLarge, ErrorCode::kTooLarge>);
static_assert(kSame<Base::kUnsupported, ErrorCode::kUnsupported>);
static_assert(kSame<Base::kNotFound, ErrorCode::kNotFound>);
static_assert(kSame<Base::kAlreadyExists, ErrorCode::kAlreadyExists>);
static_assert(kSame<Base::kPermission, ErrorCode::kPermission>);
static_assert(kSame<Base::kUnauthorized, ErrorCode::kUnauthorized>);
static_assert(kSame<Base::kNotDeclared, ErrorCode::kNotDeclared>);
static_assert(kSame<Base::kNotSocket, ErrorCode::kNotSocket>);
static_assert(kSame<Base::kNotTcp, ErrorCode::kNotTcp>);
static_assert(kSame<Base::kListening, ErrorCode::kListening>);
static_assert(kSame<Base::kNotConnected, ErrorCode::kNotConnected>);
static_assert(kSame<Base::kNotOwned, ErrorCode::kNotOwned>);
static_assert(kSame<Base::kTooShort, ErrorCode::kTooShort>);
static_assert(kSame<Base::kNoHandler, ErrorCode::kNoHandler>);
static_assert(kSame<Base::kBusy, ErrorCode::kBusy>);
static_assert(kSame<Base::kClosed, ErrorCode::kClosed>);
static_assert(kSame<Base::kTimeout, ErrorCode::kTimeout>);
static_assert(kSame<Base::kUnreachable, ErrorCode::kUnreachable>);
static_assert(kSame<Base::kAddressInUse, ErrorCode::kAddressInUse>);
static_assert(kSame<Base::kTls, ErrorCode::kTls>);
static_assert(kSame<Base::kStorage, ErrorCode::kStorage>);
static_assert(kSame<Base::kStorageFull, ErrorCode::kStorageFull>);
static_assert(kSame<Base::kOs, ErrorCode::kOs>);
static_assert(kSame<Base::kNotAllowed, ErrorCode::kNotAllowed>);
static_assert(kSame<Base::kOverBudget, ErrorCode::kOverBudget>);
static_assert(static_cast<int>(Base::kCount) == static_cast<int>(ErrorCode::kOverBudget) + 1);

}  // namespace

std::string_view name(ErrorCode code) {
  if (code == ErrorCode::kNoHost) return "no_host";
  if (code == ErrorCode::kWrongState) return "wrong_state";
  return base::name(static_cast<base::ErrorCode>(code));
}

namespace app {

Error to_public(base::ErrorCode code, std::string message) {
  if (message.empty()) message = base::describe(code);
  return {static_cast<ErrorCode>(code), std::move(message)};
}

Error to_public(const base::Error& error, const std::string& about) {
  const std::string text = base::to_string(error);
  return to_public(error.code, about.empty() ? text : about + ": " + text);
}

}  // namespace app
}  // namespace wakeline
