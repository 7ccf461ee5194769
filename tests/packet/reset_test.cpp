// SPDX-License-Identifier: Apache-2.0
// The RST of a connection that is no more: byte for byte what a host would have said.
#include "packet/reset.hpp"

#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

using test::Bytes;
using test::Packet;
using wire::kTcpAck;
using wire::kTcpFin;
using wire::kTcpRst;
using wire::kTcpSyn;

class Reset : public testing::TestWithParam<int> {
 protected:
  [[nodiscard]] Packet to_service(Packet p = Packet().eth()) const {
    return GetParam() == 4 ? p.ipv4("198.51.100.1", "203.0.113.10")
                           : p.ipv6("2001:db8:c::1", "2001:db8:a::10");
  }
  [[nodiscard]] Packet to_client(Packet p = Packet().eth()) const {
    return GetParam() == 4 ? p.ipv4("203.0.113.10", "198.51.100.1").df()
                           : p.ipv6("2001:db8:a::10", "2001:db8:c::1");
  }
  /// The answer as a frame with the link header of the question.
  static std::string answered(Bytes frame) {
    Parsed p;
    EXPECT_EQ(parse_frame(frame, frame.size(), p), Verdict::kForward);
    frame.resize(p.l3_offset + answer_with_reset(p, frame.data() + p.l3_offset));
    EXPECT_TRUE(test::checksums_right(frame)) << test::hex(frame);
    return test::hex(frame);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Reset, testing::Values(4, 6));

TEST_P(Reset, HasTheNumberThatItsSenderAcknowledged) {
  EXPECT_EQ(
      answered(to_service().tcp(40000, 443).sequence(7).acknowledgement(0xfffffff0).payload(99)),
      test::hex(Bytes(to_client().tcp(443, 40000, kTcpRst).sequence(0xfffffff0).window(0))));
}

TEST_P(Reset, AcknowledgesAllOfWhatAcknowledgesNothing) {
  const auto wanted = [&](std::uint32_t next) {
    return test::hex(Bytes(to_client()
                               .tcp(443, 40000, kTcpRst | kTcpAck)
                               .sequence(0)
                               .acknowledgement(next)
                               .window(0)));
  };
  EXPECT_EQ(answered(to_service().tcp(40000, 443, kTcpSyn).sequence(7)), wanted(8));
  EXPECT_EQ(answered(to_service().tcp(40000, 443, kTcpFin).sequence(7).payload(10)), wanted(18));
  EXPECT_EQ(answered(to_service().tcp(40000, 443, kTcpSyn).tcp_options(5).sequence(0xffffffff)),
            wanted(0));
}

TEST_P(Reset, LeavesOptionsExtensionsAndPaddingOut) {
  Packet asked = to_service(Packet().eth().vlan(7));
  if (GetParam() == 4)
    asked.options(10).ttl(3).tos(9);
  else
    asked.hop_by_hop(2).destination_options();
  asked.tcp(40000, 443).tcp_options(10).acknowledgement(5);
  EXPECT_EQ(answered(asked.payload(3).pad(200)),
            test::hex(Bytes(
                to_client(Packet().eth().vlan(7)).tcp(443, 40000, kTcpRst).sequence(5).window(0))));
}

}  // namespace
}  // namespace sluice
