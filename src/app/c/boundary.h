// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cxxabi.h>
#include <wakeline/app.h>
#include <wakeline/c/error.h>
#include <wakeline/error.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

/// What every function of the C ABI does at its border: errors into numbers, exceptions into
/// errors, structs by their size.
namespace wakeline::app::c {

/// Whether a constant of the C ABI has the number of its counterpart in C++.
template <auto kC, auto kCxx>
inline constexpr bool kSame = static_cast<int>(kC) == static_cast<int>(kCxx);

/// Keeps `message` for wakeline_error_message of this thread, and gives `code` back.
wakeline_error_t fail(wakeline_error_t code, std::string_view message);
inline wakeline_error_t fail(const Error& error) {
  return fail(static_cast<wakeline_error_t>(error.code), error.message);
}
/// "app: not a live handle of its kind".
wakeline_error_t fail_handle(std::string_view parameter);
/// "body: NULL".
wakeline_error_t fail_null(std::string_view parameter);

/// Thrown by a callback's wrapper when the app was freed while its callbacks ran: what is left of
/// them is dropped, and no push among them counts as accepted.
struct AppFreed {};

/// Runs the body of a C function; nothing is thrown out of it (but a thread's cancellation).
template <class Body>
wakeline_error_t guard(Body body) {
  try {
    return body();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const std::bad_alloc&) {
    return fail(WAKELINE_ERROR_NO_MEMORY, "no memory");
  } catch (const std::exception& error) {
    return fail(WAKELINE_ERROR_EXCEPTION, error.what());
  } catch (...) {
    return fail(WAKELINE_ERROR_EXCEPTION, "an exception that is no std::exception");
  }
}

/// As `guard` for what begins with a handle: `body(object)`.
template <class Table, class Handle, class Body>
wakeline_error_t with(const Handle* handle, std::string_view parameter, Body body) {
  return guard([&] {
    const auto object = Table::find(handle);
    return object ? body(*object) : fail_handle(parameter);
  });
}

/// Ends a handle; NULL is none. `before(object)` runs when it is out of the table.
template <class Table, class Handle, class Before>
wakeline_error_t end(const Handle* handle, std::string_view parameter, Before before) {
  if (handle == nullptr) return WAKELINE_OK;
  return guard([&]() -> wakeline_error_t {
    const auto object = Table::take(handle);
    if (!object) return fail_handle(parameter);
    before(*object);
    return WAKELINE_OK;
  });
}

/// The caller's struct as this library knows it. `first`: the size of the struct's first version.
/// Errors: INVALID_ARGUMENT (NULL, or smaller than any version), UNSUPPORTED (something is set that
///         is not known here).
template <class Struct>
wakeline_error_t read_struct(const Struct* given, std::size_t first, std::string_view parameter,
                             Struct& out) {
  if (given == nullptr) return fail_null(parameter);
  if (given->struct_size < first) {
    return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "struct_size is not that of the struct");
  }
  const auto* bytes = reinterpret_cast<const char*>(given);
  for (std::size_t i = sizeof out; i < given->struct_size; ++i) {
    if (bytes[i] != 0) {
      return fail(WAKELINE_ERROR_UNSUPPORTED,
                  "the struct asks for what this library does not know");
    }
  }
  std::memcpy(&out, given, std::min(sizeof out, given->struct_size));
  return WAKELINE_OK;
}

/// Fills as much of the caller's struct as it has. Errors: INVALID_ARGUMENT, as above.
template <class Struct>
wakeline_error_t write_struct(Struct* out, std::size_t first, std::string_view parameter,
                              Struct filled) {
  if (out == nullptr) return fail_null(parameter);
  if (out->struct_size < first) {
    return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "struct_size is not that of the struct");
  }
  filled.struct_size = out->struct_size;
  std::memcpy(out, &filled, std::min(sizeof filled, filled.struct_size));
  return WAKELINE_OK;
}

/// Gives one value out. Errors: INVALID_ARGUMENT.
template <class Value>
wakeline_error_t give(Value* out, Value value, std::string_view parameter) {
  if (out == nullptr) return fail_null(parameter);
  *out = value;
  return WAKELINE_OK;
}

inline std::string_view text_or_empty(const char* text) { return text == nullptr ? "" : text; }

}  // namespace wakeline::app::c
