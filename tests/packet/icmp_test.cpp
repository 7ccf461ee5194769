// SPDX-License-Identifier: Apache-2.0
// Echo replies and errors: who they go to, what they say, and that every checksum of them is right.
#include "packet/icmp.hpp"

#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace sluice {
namespace {

using test::Bytes;
using test::ByteView;
using test::Packet;

constexpr const char* kClient = "198.51.100.1";
constexpr const char* kVip = "203.0.113.10";
constexpr const char* kClient6 = "2001:db8:c::1";
constexpr const char* kVip6 = "2001:db8:a::10";

/// Names of the two families, to run a test for both.
struct Family {
  std::uint8_t number;
  const char* client;
  const char* vip;

  [[nodiscard]] Packet from(const char* source, const char* destination) const {
    return number == 4 ? Packet().eth().ipv4(source, destination)
                       : Packet().eth().ipv6(source, destination);
  }
  [[nodiscard]] Packet to_service() const { return from(client, vip); }
  [[nodiscard]] Packet to_client() const { return from(vip, client); }
};
std::ostream& operator<<(std::ostream& to, const Family& f) { return to << "v" << +f.number; }

constexpr std::array kFamilies{Family{4, kClient, kVip}, Family{6, kClient6, kVip6}};

std::string family_name(const testing::TestParamInfo<Family>& about) {
  return "V" + std::to_string(about.param.number);
}

/// The reply to an echo request, as a frame.
Bytes replied(Bytes frame) {
  Parsed p;
  EXPECT_EQ(parse_frame(frame, frame.size(), p), Verdict::kForward);
  EXPECT_EQ(p.kind, Kind::kEcho);
  answer_echo(p, frame.data() + p.l3_offset);
  return frame;
}

class EchoReply : public testing::TestWithParam<Family> {};
INSTANTIATE_TEST_SUITE_P(Families, EchoReply, testing::ValuesIn(kFamilies), family_name);

TEST_P(EchoReply, IsWhatTheServiceWouldHaveSent) {
  const Family& f = GetParam();
  for (const std::uint8_t ttl : {std::uint8_t{1}, std::uint8_t{64}, std::uint8_t{255}})
    EXPECT_EQ(test::hex(replied(f.to_service().ttl(ttl).tos(0x2e).icmp_echo(77, 9).payload(56))),
              test::hex(Bytes(f.to_client().ttl(64).tos(0x2e).icmp_echo(77, 9, true).payload(56))));
}

// The identifier runs through all values, and so does the checksum.
TEST_P(EchoReply, ChecksumIsRightForEveryIdentifierAndEveryChecksum) {
  const Family& f = GetParam();
  for (std::uint32_t id = 0; id <= 0xffff; ++id) {
    const Bytes reply = replied(f.to_service().icmp_echo(static_cast<std::uint16_t>(id), 0));
    ASSERT_TRUE(test::checksums_right(reply)) << "identifier " << id << "\n" << test::hex(reply);
  }
}

TEST_P(EchoReply, ChecksumIsRightForEveryTtl) {
  const Family& f = GetParam();
  for (unsigned ttl = 0; ttl <= 255; ++ttl)
    for (const auto id : std::to_array<std::uint16_t>({0, 1, 0x4000, 0xf7ff, 0xf800, 0xffff}))
      ASSERT_TRUE(test::checksums_right(
          replied(f.to_service().ttl(static_cast<std::uint8_t>(ttl)).icmp_echo(id, 1))))
          << ttl;
}

TEST_P(EchoReply, WrongChecksumStaysWrong) {
  const Family& f = GetParam();
  for (const auto wrong : std::to_array<std::uint16_t>({0x0001, 0x1234, 0xffff})) {
    const Bytes request = f.to_service().icmp_echo(5, 5).l4_checksum(wrong).payload(3);
    EXPECT_FALSE(test::checksums_right(replied(request))) << wrong;
  }
}

TEST(EchoReplyOfIpv4, SparesOptionsAndTheFragmentField) {
  const Bytes reply =
      replied(Packet().eth().vlan(5).ipv4(kClient, kVip).id(9).df().options(3).icmp_echo(1, 2));
  EXPECT_EQ(
      test::hex(reply),
      test::hex(Bytes(
          Packet().eth().vlan(5).ipv4(kVip, kClient).id(9).df().options(3).icmp_echo(1, 2, true))));
}

TEST(EchoReplyOfIpv6, SparesExtensionHeaders) {
  EXPECT_EQ(
      test::hex(
          replied(Packet().eth().ipv6(kClient6, kVip6).hop_by_hop().icmp_echo(1, 2).payload(9))),
      test::hex(Bytes(
          Packet().eth().ipv6(kVip6, kClient6).hop_by_hop().icmp_echo(1, 2, true).payload(9))));
}

/// An error about a packet, from its IP header on.
Bytes error_about(const Bytes& packet, std::uint8_t family, Problem problem, std::uint16_t mtu) {
  const ByteView ip = test::strip_ethernet(packet);
  const ByteView quote = ip.first(std::min(ip.size(), longest_quote(family)));
  Bytes error(icmp_error_headers(family) + quote.size(), std::byte{0xa5});
  std::ranges::copy(quote, error.begin() + static_cast<std::ptrdiff_t>(icmp_error_headers(family)));
  const ByteView behind = ByteView(error).subspan(icmp_error_headers(family));
  write_icmp_error(error.data(), behind, family, problem, mtu);
  return error;
}

class IcmpError : public testing::TestWithParam<Family> {
 protected:
  /// The same, built another way.
  static Bytes built(const Packet& about, std::uint8_t type, std::uint8_t code,
                     std::uint32_t rest) {
    const Family& f = GetParam();
    const Bytes frame =
        f.to_client().tos(0xc0).icmp(type, code, rest).quote(about, longest_quote(f.number));
    const ByteView ip = test::strip_ethernet(frame);
    return {ip.begin(), ip.end()};
  }
};
INSTANTIATE_TEST_SUITE_P(Families, IcmpError, testing::ValuesIn(kFamilies), family_name);

TEST_P(IcmpError, TooBigTellsTheSenderTheMtu) {
  const Family& f = GetParam();
  const Packet packet = f.to_service().ttl(9).tcp(40000, 443).payload(1460);
  EXPECT_EQ(test::hex(error_about(packet, f.number, Problem::kTooBig, 1400)),
            test::hex(f.number == 4 ? built(packet, 3, 4, 1400) : built(packet, 2, 0, 1400)));
}

TEST_P(IcmpError, TtlExpiredIsTimeExceededInTransit) {
  const Family& f = GetParam();
  const Packet packet = f.to_service().ttl(1).udp(40000, 443).payload(11);
  EXPECT_EQ(test::hex(error_about(packet, f.number, Problem::kTtlExpired, 0)),
            test::hex(f.number == 4 ? built(packet, 11, 0, 0) : built(packet, 3, 0, 0)));
}

TEST_P(IcmpError, QuotesAsMuchAsEveryLinkCarriesAndNoMore) {
  const Family& f = GetParam();
  const std::size_t most = f.number == 4 ? 576 : 1280;
  for (const std::size_t payload : {std::size_t{0}, std::size_t{1}, most, std::size_t{8900}}) {
    const Bytes packet = f.to_service().udp(40000, 443).payload(payload);
    const Bytes error = error_about(packet, f.number, Problem::kTtlExpired, 0);
    EXPECT_EQ(error.size(), std::min(most, packet.size() - 14 + icmp_error_headers(f.number)));
    EXPECT_EQ(test::ip_of(error).payload.size(), error.size() - (f.number == 4 ? 20U : 40U));
  }
}

/// An error as the frame that would carry it.
Bytes framed(const Family& f, const Bytes& error) {
  const auto type = f.number == 4 ? wire::kEtherIpv4 : wire::kEtherIpv6;
  return Packet().eth().ether_type(type).payload(error);
}

TEST_P(IcmpError, ChecksumIsRightWhateverIsQuotedAndHoweverLong) {
  const Family& f = GetParam();
  std::mt19937_64 random(1);
  for (std::size_t payload = 0; payload < 1300; ++payload) {
    Bytes data(payload);
    for (auto& byte : data) byte = static_cast<std::byte>(random() & 0xff);
    const Bytes packet =
        f.to_service().udp(static_cast<std::uint16_t>(random()), 443).payload(data);
    for (const Problem problem : {Problem::kTooBig, Problem::kTtlExpired})
      ASSERT_TRUE(test::checksums_right(
          framed(f, error_about(packet, f.number, problem, static_cast<std::uint16_t>(random())))))
          << payload;
  }
}

TEST_P(IcmpError, ChecksumIsRightForEveryMtu) {
  const Family& f = GetParam();
  const Bytes packet = f.to_service().tcp(40000, 443);
  for (std::uint32_t mtu = 0; mtu <= 0xffff; ++mtu)
    ASSERT_TRUE(test::checksums_right(framed(
        f, error_about(packet, f.number, Problem::kTooBig, static_cast<std::uint16_t>(mtu)))))
        << mtu;
}

TEST_P(IcmpError, MtuIsAsGivenButForIpv6NeverBelowItsLeast) {
  const Family& f = GetParam();
  const Bytes packet = f.to_service().tcp(40000, 443);
  for (const auto mtu : std::to_array<std::uint16_t>({0, 68, 1279, 1280, 1281, 8980, 65535})) {
    const auto error = test::icmp_of(error_about(packet, f.number, Problem::kTooBig, mtu));
    EXPECT_EQ(error.rest.to_host(), f.number == 4 ? mtu : std::max<std::uint16_t>(mtu, 1280));
  }
}

// What a client's stack does with an error is look for the flow it quotes: so does the parser.
TEST_P(IcmpError, QuotesTheVeryPacket) {
  const Family& f = GetParam();
  const Bytes packet = f.to_service().tcp(40000, 443).payload(100);
  const Bytes error = error_about(packet, f.number, Problem::kTooBig, 1400);
  const ByteView quoted = test::strip_ip(error).subspan(sizeof(wire::Icmp));
  EXPECT_EQ(test::hex(quoted), test::hex(test::strip_ethernet(packet)));
  Parsed p;
  const Bytes frame = framed(f, error);
  ASSERT_EQ(parse_frame(frame, frame.size(), p), Verdict::kForward);
  EXPECT_EQ(p.kind, Kind::kIcmpError);
  EXPECT_EQ(Be16::from_wire(p.key.source_port).to_host(), 443);
  EXPECT_EQ(Be16::from_wire(p.key.destination_port).to_host(), 40000);
}

TEST(MayAnswer, FlowsAndEchoesButNeitherErrorsNorLaterFragments) {
  const auto parsed = [](const Bytes& frame) {
    Parsed p;
    EXPECT_EQ(parse_frame(frame, frame.size(), p), Verdict::kForward);
    return p;
  };
  for (const Family& f : kFamilies) {
    EXPECT_TRUE(may_answer(parsed(f.to_service().tcp(1, 2))));
    EXPECT_TRUE(may_answer(parsed(f.to_service().udp(1, 2))));
    EXPECT_TRUE(may_answer(parsed(f.to_service().icmp_echo(1, 2))));
    EXPECT_FALSE(
        may_answer(parsed(f.to_service().icmp(3, 0).quote(f.to_client().tcp(443, 40000)))));
  }
  const auto v4 = [] { return Packet().eth().ipv4(kClient, kVip); };
  EXPECT_TRUE(may_answer(parsed(v4().fragment(0, true).udp(1, 2).payload(8))));
  EXPECT_FALSE(may_answer(parsed(v4().fragment(2, false).protocol(17).payload(8))));
}

}  // namespace
}  // namespace sluice
