// SPDX-License-Identifier: Apache-2.0
#include "server/start_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <boost/asio/ip/address.hpp>

#include "server/admin.h"
#include "server/data_folder.h"
#include "server/last_resort.h"
#include "server/listening_ports.h"

namespace wakeline::server {
namespace {

using base::ErrorCode;

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// A certificate or key that is none is a file of the user's that is wrong, and no peer that cannot
/// be reached.
base::Error of_file(base::Error error) {
  if (error.code == ErrorCode::kTls) error.code = ErrorCode::kMalformed;
  return error;
}

/// Names the file that is wrong.
std::unexpected<Failure> failed_certificates(const ServerOptions& options, base::Error error) {
  const DataFolder folder(options.data_folder);
  const std::string_view where = error.where;
  return failure(where.starts_with("client CRL")  ? options.client_crl_file
                 : where.starts_with("client CA") ? options.client_ca_file
                 : where.starts_with("key")       ? folder.key()
                                                  : folder.certificate(),
                 of_file(error));
}

/// It is there for us to write, or can be made.
Outcome<void> check_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::path at = std::filesystem::absolute(path, error);
  struct stat status{};
  while (::stat(at.c_str(), &status) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return failure(path, base::os_error("folder", errno));
    at = at.parent_path();
  }
  if (!S_ISDIR(status.st_mode))
    return failure(path, base::Error{ErrorCode::kInvalidArgument, "folder", ENOTDIR});
  if (::access(at.c_str(), W_OK | X_OK) != 0) return failure(path, base::os_error("folder", errno));
  return {};
}

bool is_any(const std::string& address) {
  boost::system::error_code error;
  return boost::asio::ip::make_address(address, error).is_unspecified() && !error;
}

/// Whether the one who is bound first keeps the other out.
bool collide(const Endpoint& one, const Endpoint& other) {
  const auto is_v6 = [](const Endpoint& at) { return at.address.find(':') != std::string::npos; };
  return one.port != 0 && one.port == other.port && is_v6(one) == is_v6(other) &&
         (one.address == other.address || is_any(one.address) || is_any(other.address));
}

Outcome<void> check_ports(const ServerOptions& options) {
  const auto wanted = wanted_ports(options);
  for (auto port = wanted.begin(); port != wanted.end(); ++port) {
    const auto& [kind, at] = *port;
    if (auto checked = check_endpoint(at, kind, options.plain_off_loopback); !checked)
      return checked;
    const auto collides = [&at](const auto& other) { return collide(at, other.second); };
    if (std::any_of(wanted.begin(), port, collides))
      return failure(to_string(at),
                     base::Error{ErrorCode::kInvalidArgument, "another port is there already"});
  }
  return {};
}

Outcome<void> check_certificates(const ServerOptions& options) {
  const DataFolder folder(options.data_folder);
  const bool certificate = is_there(folder.certificate());
  if (certificate && is_there(folder.key())) {
    const auto read = read_certificates(options);
    return read ? Outcome<void>() : std::unexpected(read.error());
  }
  if (certificate) return failure(folder.key(), {ErrorCode::kNotFound, "certificate without key"});
  // The start would make them.
  if (auto named = io::check_certificate_names(options.names); !named && !options.names.empty())
    return failure(folder.certificate(), named.error());
  const auto clients =
      io::TlsContext::check_clients(options.client_ca_file, options.client_crl_file);
  return clients ? Outcome<void>() : failed_certificates(options, clients.error());
}

Outcome<void> check_fallback(const FallbackOptions& options) {
  const auto prepared = prepare_fallback(options);
  return prepared ? Outcome<void>() : std::unexpected(prepared.error());
}

}  // namespace

Outcome<std::shared_ptr<io::TlsContext>> read_certificates(const ServerOptions& options) {
  const DataFolder folder(options.data_folder);
  auto tls = io::TlsContext::server(folder.certificate(), folder.key(), options.client_ca_file,
                                    options.client_crl_file);
  if (!tls) return failed_certificates(options, tls.error());
  return std::move(*tls);
}

Outcome<void> check_start(const ServerOptions& options) {
  if (auto checked = check_folder(options.data_folder); !checked) return checked;
  if (auto checked = check_ports(options); !checked) return checked;
  if (auto checked = check_certificates(options); !checked) return checked;
  return check_fallback(options.fallback);
}

}  // namespace wakeline::server
