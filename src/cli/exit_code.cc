// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "base/printable.h"
#include "cli/terminal.h"

namespace wakeline::cli {

int exit_code_of(base::ErrorCode code) {
  using enum base::ErrorCode;
  switch (code) {
    case kOk:
      return kExitOk;
    case kInvalidArgument:
    case kMalformed:
    case kTooLarge:
    case kUnsupported:
    case kNotFound:
    case kAlreadyExists:
    case kNotDeclared:
      return kExitConfiguration;
    case kAddressInUse:
      return kExitAddressInUse;
    case kPermission:
    case kNotOwned:
      return kExitPermission;
    case kUnreachable:
    case kTimeout:
    case kClosed:
    case kTls:
    case kBusy:
      return kExitUnreachable;
    case kUnauthorized:
      return kExitUnauthorized;
    case kStorage:
    case kStorageFull:
      return kExitStorage;
    default:
      return kExitFailed;
  }
}

int report(std::string_view what, base::ErrorCode code, std::string_view text,
           std::string_view hint) {
  std::string told =
      fmt::format("wakeline: {}: {}\n", base::printable(what), printable_lines(text));
  if (!hint.empty()) told += fmt::format("  {}\n", hint);
  std::fputs(told.c_str(), stderr);
  return exit_code_of(code);
}

int report(std::string_view what, const base::Error& error, std::string_view hint) {
  return report(what, error.code, base::to_string(error), hint);
}

}  // namespace wakeline::cli
