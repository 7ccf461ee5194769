// SPDX-License-Identifier: Apache-2.0
// parse_frame(): echo requests, and ICMP errors by the flow that they quote.
#include "packet/parse.hpp"

#include "packet/judge.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <initializer_list>
#include <ostream>
#include <string>

namespace sluice {
namespace {

using test::Bytes;
using test::destination_of;
using test::judge;
using test::Packet;
using test::source_of;
using test::to_client;
using test::to_client6;
using test::to_service;
using test::to_service6;
using test::verdict_of;

constexpr Verdict kForward = Verdict::kForward;
constexpr Verdict kHost = Verdict::kHost;
constexpr Verdict kMalformed = Verdict::kMalformed;

/// One family's part of a test.
struct Family {
  unsigned number;
  Packet (*to_service)();
  Packet (*to_client)();
  std::size_t header;     ///< Bytes of the fixed IP header.
  std::uint8_t protocol;  ///< ICMP's number.
  std::uint8_t echo;      ///< Types.
  std::uint8_t unreachable;
  std::initializer_list<std::uint8_t> errors;

  [[nodiscard]] Packet error() const { return to_service().icmp(unreachable, 1); }
};
std::ostream& operator<<(std::ostream& to, const Family& f) { return to << "v" << f.number; }

const Family kIpv4{4, to_service, to_client, 20, 1, 8, 3, {3, 4, 11, 12}};
const Family kIpv6{6, to_service6, to_client6, 40, 58, 128, 1, {1, 2, 3, 4}};

class ParseIcmp : public testing::TestWithParam<Family> {};
INSTANTIATE_TEST_SUITE_P(Families, ParseIcmp, testing::Values(kIpv4, kIpv6), [](const auto& about) {
  return "V" + std::to_string(about.param.number);
});

TEST_P(ParseIcmp, EchoRequestHasAddressesAndNoPorts) {
  const Family& f = GetParam();
  const auto [verdict, p] = judge(f.to_service().ttl(7).icmp_echo(0x1234, 0x5678).payload(20));
  EXPECT_EQ(verdict, kForward);
  EXPECT_EQ(p.kind, Kind::kEcho);
  EXPECT_EQ(p.key.protocol, f.protocol);
  EXPECT_EQ(p.key.source_port | p.key.destination_port, 0);
  EXPECT_EQ(p.l4_offset, 14 + f.header);
  EXPECT_EQ(p.ttl, 7);
  const auto flow = judge(f.to_service().tcp(1, 2)).parsed.key;
  EXPECT_EQ(source_of(p.key), source_of(flow));
  EXPECT_EQ(destination_of(p.key), destination_of(flow));
}

// With a right quote behind each of them, so that only the type tells.
TEST_P(ParseIcmp, TypesAreEchoErrorOrLinuxs) {
  const Family& f = GetParam();
  for (unsigned type = 0; type < 256; ++type) {
    const auto [verdict, p] = judge(f.to_service()
                                        .icmp(static_cast<std::uint8_t>(type), 0)
                                        .quote(f.to_client().tcp(443, 40000)));
    const bool error = std::ranges::find(f.errors, type) != f.errors.end();
    EXPECT_EQ(verdict, error || type == f.echo ? kForward : kHost) << type;
    if (verdict != kForward) continue;
    EXPECT_EQ(p.kind, error ? Kind::kIcmpError : Kind::kEcho) << type;
  }
}

TEST_P(ParseIcmp, OfTheOtherFamilyIsLinuxs) {
  const Family& f = GetParam();
  const std::uint8_t other = f.number == 4 ? 58 : 1;
  EXPECT_EQ(verdict_of(f.to_service().protocol(other).icmp_echo(1, 2)), kHost);
}

TEST_P(ParseIcmp, HeaderHasEightBytes) {
  const Family& f = GetParam();
  for (std::size_t bytes = 0; bytes < 8; ++bytes)
    EXPECT_EQ(verdict_of(f.to_service().protocol(f.protocol).payload(bytes).pad(100)), kMalformed);
  EXPECT_EQ(verdict_of(f.to_service().icmp_echo(1, 2)), kForward);
}

// Errors.

TEST_P(ParseIcmp, ErrorHasTheVeryKeyOfTheClientsPackets) {
  const Family& f = GetParam();
  const auto from_client = [&](bool tcp) {
    return judge(tcp ? f.to_service().tcp(40000, 443) : f.to_service().udp(40000, 443)).parsed.key;
  };
  const auto quoted = [&](bool tcp) {
    return tcp ? f.to_client().tcp(443, 40000) : f.to_client().udp(443, 40000);
  };
  for (const bool tcp : {true, false})
    for (const auto type : f.errors) {
      const auto [verdict, p] =
          judge(f.to_service().ttl(3).tos(4).icmp(type, 1, 1400).quote(quoted(tcp), f.header + 8));
      EXPECT_EQ(verdict, kForward);
      EXPECT_EQ(p.kind, Kind::kIcmpError);
      const auto key = from_client(tcp);
      EXPECT_EQ(std::memcmp(&p.key, &key, sizeof key), 0);
      EXPECT_EQ(p.l4_offset, 14 + f.header);
      EXPECT_EQ(p.l3_length, 2 * f.header + 16);
      EXPECT_EQ(p.ttl, 3);  // of the error, not of the quote
      EXPECT_EQ(p.tos, 4);
      EXPECT_EQ(p.tcp_flags, 0);
      EXPECT_FALSE(p.fragmented);
    }
}

// It is sent by a router on the way.
TEST_P(ParseIcmp, SourceOfTheErrorDoesNotMatter) {
  const Family& f = GetParam();
  const auto packet = [&](const char* v4, const char* v6) {
    return (f.number == 4 ? Packet().eth().ipv4(v4, test::kVip)
                          : Packet().eth().ipv6(v6, test::kVip6))
        .icmp(f.unreachable, 0)
        .quote(f.to_client().tcp(443, 40000));
  };
  const auto near = judge(packet("10.9.9.9", "fe80::1")).parsed.key;
  const auto far = judge(packet("192.0.2.1", "2001:db8:f::1")).parsed.key;
  EXPECT_EQ(source_of(near), f.number == 4 ? test::kClient : test::kClient6);
  EXPECT_EQ(std::memcmp(&near, &far, sizeof near), 0);
}

TEST_P(ParseIcmp, QuoteNeedsEightBytesBehindItsHeaderAndMayHaveMore) {
  const Family& f = GetParam();
  const Packet answer = f.to_client().tcp(443, 40000).payload(100);
  for (std::size_t bytes = 0; bytes < f.header + 8; ++bytes)
    EXPECT_EQ(verdict_of(f.error().quote(answer, bytes).pad(300)), kMalformed) << bytes;
  for (const std::size_t bytes : {f.header + 8, f.header + 9, f.header + 20, f.header + 120})
    EXPECT_EQ(verdict_of(f.error().quote(answer, bytes)), kForward) << bytes;
}

TEST_P(ParseIcmp, QuoteBehindTheFirstSegmentIsTruncated) {
  const Family& f = GetParam();
  const Bytes frame = f.error().quote(f.to_client().tcp(443, 40000));
  const std::size_t needed = 14 + f.header + 8 + f.header + 8;
  for (std::size_t size = 14 + f.header; size < frame.size(); ++size)
    EXPECT_EQ(judge(frame, size, frame.size()).verdict,
              size < needed ? Verdict::kTruncated : kForward)
        << size;
}

TEST_P(ParseIcmp, QuoteOfAPacketThatTheServiceDidNotSendIsMalformed) {
  const Family& f = GetParam();
  const Bytes right = f.error().quote(f.to_client().tcp(443, 40000));
  const std::size_t source = 14 + f.header + 8 + (f.number == 4 ? 12 : 8);
  for (std::size_t bit = 0; bit < (f.number == 4 ? 32 : 128); ++bit) {
    Bytes wrong = right;
    wrong[source + bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_EQ(verdict_of(wrong), kMalformed) << bit;
  }
  EXPECT_EQ(verdict_of(f.error().quote(f.to_service().tcp(40000, 443))), kMalformed);
}

TEST_P(ParseIcmp, QuoteOfAnotherVersionIsMalformed) {
  const Family& f = GetParam();
  for (unsigned version = 0; version < 16; ++version)
    EXPECT_EQ(verdict_of(f.error().quote(
                  f.to_client().ip_version(static_cast<std::uint8_t>(version)).tcp(443, 40000))),
              version == f.number ? kForward : kMalformed)
        << version;
}

// The quoted length is that of the whole packet, of which less is quoted; routers also change it.
TEST_P(ParseIcmp, LengthsAndChecksumsInTheQuoteDoNotMatter) {
  const Family& f = GetParam();
  for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 1500, 65535})
    EXPECT_EQ(
        verdict_of(f.error().quote(
            f.to_client().total_length(length).udp(443, 40000).udp_length(length).l4_checksum(9))),
        kForward)
        << length;
}

TEST_P(ParseIcmp, QuoteOfOtherProtocolsIsLinuxs) {
  const Family& f = GetParam();
  EXPECT_EQ(verdict_of(f.error().quote(f.to_client().icmp_echo(1, 2))), kHost);
  EXPECT_EQ(verdict_of(f.error().quote(f.to_client().protocol(50).payload(40))), kHost);
  // An error about an error must not be, and if it is, no flow is meant.
  EXPECT_EQ(verdict_of(f.error().quote(
                f.to_client().icmp(f.unreachable, 0).quote(f.to_service().tcp(40000, 443)))),
            kHost);
}

TEST(ParseIcmpError, QuoteOfAFirstFragmentIsAFlowAndOfALaterOneLinuxs) {
  const auto v4 = [](std::uint16_t offset, bool more) {
    return verdict_of(
        kIpv4.error().quote(to_client().fragment(offset, more).udp(443, 40000).payload(16)));
  };
  const auto v6 = [](std::uint16_t offset, bool more) {
    return verdict_of(kIpv6.error().quote(
        to_client6().fragment_header(offset, more, 7).udp(443, 40000).payload(16)));
  };
  for (const auto& verdict : {+v4, +v6}) {
    EXPECT_EQ(verdict(0, false), kForward);
    EXPECT_EQ(verdict(0, true), kForward);
    EXPECT_EQ(verdict(1, true), kHost);
    EXPECT_EQ(verdict(1, false), kHost);
  }
}

TEST(ParseIcmpError, QuotedOptionsAreSteppedOver) {
  for (std::size_t words = 0; words <= 10; ++words) {
    const Packet answer = to_client().options(words).tcp(443, 40000);
    const std::size_t needed = 20 + words * 4 + 8;
    EXPECT_EQ(verdict_of(kIpv4.error().quote(answer, needed)), kForward) << words;
    for (std::size_t bytes = 20; bytes < needed; ++bytes)
      EXPECT_EQ(verdict_of(kIpv4.error().quote(answer, bytes).pad(300)), kMalformed) << bytes;
  }
  for (const std::uint8_t words : std::initializer_list<std::uint8_t>{0, 1, 4})
    EXPECT_EQ(verdict_of(kIpv4.error().quote(to_client().header_length(words).tcp(443, 40000))),
              kMalformed);
}

TEST(ParseIcmpError, QuotedExtensionHeadersAreWalkedUpToEight) {
  for (int count = 0; count <= 9; ++count) {
    Packet answer = to_client6();
    for (int i = 0; i < count; ++i) answer.destination_options();
    answer.tcp(443, 40000);
    const std::size_t needed = 40 + static_cast<std::size_t>(count) * 8 + 8;
    EXPECT_EQ(verdict_of(kIpv6.error().quote(answer, needed)), count <= 8 ? kForward : kHost)
        << count;
    EXPECT_EQ(verdict_of(kIpv6.error().quote(answer, needed - 1)), count <= 8 ? kMalformed : kHost)
        << count;
  }
}

TEST(ParseIcmpError, BehindOptionsAndExtensionHeadersOfItsOwnItIsTheSame) {
  const Packet answer = to_client().udp(443, 40000);
  const Packet answer6 = to_client6().udp(443, 40000);
  EXPECT_EQ(judge(to_service().options(10).icmp(3, 1).quote(answer)).parsed.kind, Kind::kIcmpError);
  EXPECT_EQ(judge(to_service6().hop_by_hop(4).icmp(1, 4).quote(answer6)).parsed.kind,
            Kind::kIcmpError);
  EXPECT_EQ(judge(to_service6().fragment_header(0, false, 7).icmp(2, 0).quote(answer6)).parsed.kind,
            Kind::kIcmpError);
  EXPECT_EQ(verdict_of(to_service6().fragment_header(0, true, 7).icmp(2, 0).quote(answer6)), kHost);
}

}  // namespace
}  // namespace sluice
