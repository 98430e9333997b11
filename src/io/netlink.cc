// SPDX-License-Identifier: Apache-2.0
#include "io/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace wakeline::io {
namespace {

using base::ErrorCode;

constexpr timeval kAnswerBound = {1, 0};
// A host with more sockets or routes than that is none that apps sleep on.
constexpr std::size_t kMessagesMax = 1'000'000;
// The kernel fills dumps by up to 32 KiB a datagram. Source: NLMSG_GOODSIZE and
// max_recvmsg_len in net/netlink/af_netlink.c of Linux.
constexpr std::size_t kDatagramMax = 64 << 10;
// Errors go down to there. Source: MAX_ERRNO in include/linux/err.h of Linux.
constexpr int kErrnoMax = 4'095;

}  // namespace

base::Result<bool> read_netlink(base::BytesView datagram, const OnNetlinkMessage& on_message) {
  nlmsghdr header = {};
  while (read_value(datagram, header)) {
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) {
      return base::fail(ErrorCode::kMalformed, "netlink");
    }
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) return base::fail(ErrorCode::kBusy, "netlink");
    const auto body = datagram.subspan(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      int error = 0;
      if (!read_value(body, error) || error > 0 || error < -kErrnoMax)
        return base::fail(ErrorCode::kMalformed, "netlink");
      if (error == 0) return true;  // the acknowledgement
      if (error == -EOPNOTSUPP) return base::fail(ErrorCode::kUnsupported, "netlink", -error);
      return base::fail(base::os_error("netlink", -error));
    }
    if (header.nlmsg_type >= NLMSG_MIN_TYPE) on_message(header.nlmsg_type, body);
    datagram = after_part(datagram, header.nlmsg_len);
  }
  return false;
}

base::Result<NetlinkQuery> NetlinkQuery::open(int protocol) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return base::fail(base::os_error("netlink socket", errno));
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerBound, sizeof kAnswerBound) != 0) {
    return base::fail(base::os_error("netlink socket", errno));
  }
  return NetlinkQuery(std::move(fd));
}

base::Result<void> NetlinkQuery::ask(std::uint16_t type, std::uint16_t flags, base::BytesView body,
                                     const OnNetlinkMessage& on_message) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  base::Bytes request(sizeof header);
  std::memcpy(request.data(), &header, sizeof header);
  request.insert(request.end(), body.begin(), body.end());
  if (::send(fd_.get(), request.data(), request.size(), 0) < 0) {
    return base::fail(base::os_error("netlink send", errno));
  }
  base::Bytes datagram(kDatagramMax);
  for (std::size_t count = 0; count < kMessagesMax;) {
    const ssize_t size = ::recv(fd_.get(), datagram.data(), datagram.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return base::fail(ErrorCode::kTimeout, "netlink");
    if (size < 0) return base::fail(base::os_error("netlink receive", errno));
    if (static_cast<std::size_t>(size) > datagram.size()) {
      return base::fail(ErrorCode::kTooLarge, "netlink");
    }
    const auto bytes = base::BytesView(datagram).first(static_cast<std::size_t>(size));
    // What is left of an earlier question that failed half-way.
    nlmsghdr first = {};
    if (!read_value(bytes, first) || first.nlmsg_seq != sequence_) continue;
    const auto done = read_netlink(bytes, [&](std::uint16_t message, base::BytesView content) {
      ++count;
      on_message(message, content);
    });
    if (!done) return base::fail(done.error());
    if (*done) return {};
  }
  return base::fail(ErrorCode::kTooLarge, "netlink");
}

}  // namespace wakeline::io
