// SPDX-License-Identifier: Apache-2.0
#include "io/netlink.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace wakeline::io {
namespace {

using base::ErrorCode;

/// Messages as the kernel writes them.
class Writer {
 public:
  template <class T>
  Writer& value(const T& part) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&part);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof part);
    return *this;
  }
  const base::Bytes& bytes() const { return bytes_; }

 private:
  base::Bytes bytes_;
};

TEST(ReadNetlink, SplitsADatagramAndFindsItsEnd) {
  Writer writer;
  writer.value(nlmsghdr{sizeof(nlmsghdr) + 4, RTM_NEWADDR, NLM_F_MULTI, 1, 0});
  writer.value(std::uint32_t{7});
  std::vector<std::pair<std::uint16_t, std::size_t>> seen;
  const auto note = [&](std::uint16_t type, base::BytesView body) {
    seen.emplace_back(type, body.size());
  };
  EXPECT_EQ(read_netlink(writer.bytes(), note), base::Result<bool>(false));
  writer.value(nlmsghdr{sizeof(nlmsghdr), NLMSG_DONE, NLM_F_MULTI, 1, 0});
  EXPECT_EQ(read_netlink(writer.bytes(), note), base::Result<bool>(true));
  EXPECT_EQ(seen, (std::vector<std::pair<std::uint16_t, std::size_t>>{{RTM_NEWADDR, 4},
                                                                      {RTM_NEWADDR, 4}}));
}

TEST(ReadNetlink, TellsErrorsApartAndReadsNothingBeyondTheEnd) {
  const auto none = [](std::uint16_t, base::BytesView) {};
  const auto answer = [&](int error) {
    return read_netlink(
        Writer().value(nlmsghdr{sizeof(nlmsghdr) + 4, NLMSG_ERROR, 0, 1, 0}).value(error).bytes(),
        none);
  };
  EXPECT_EQ(answer(0), base::Result<bool>(true));
  EXPECT_EQ(answer(-EPERM).error().code, ErrorCode::kPermission);
  EXPECT_EQ(answer(-EOPNOTSUPP).error().code, ErrorCode::kUnsupported);
  const auto longer = Writer().value(nlmsghdr{64, RTM_NEWADDR, 0, 1, 0}).bytes();
  EXPECT_EQ(read_netlink(longer, none).error().code, ErrorCode::kMalformed);
  const auto disturbed =
      Writer().value(nlmsghdr{sizeof(nlmsghdr), NLMSG_DONE, NLM_F_DUMP_INTR, 1, 0}).bytes();
  EXPECT_EQ(read_netlink(disturbed, none).error().code, ErrorCode::kBusy);
}

}  // namespace
}  // namespace wakeline::io
