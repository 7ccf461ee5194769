// SPDX-License-Identifier: Apache-2.0
#include "snapshot/header_template.hpp"

#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace sluice::snapshot {
namespace {

using test::backend;
using test::backends;
using test::pool;

constexpr std::size_t kV4 = sizeof(wire::Ipv4);

std::span<const std::byte> outer_of(const Backend& b) {
  return std::span(b.header).subspan(kEthernetBytes, b.overhead);
}

const Be16 kDontFragment = Be16::from_host(wire::kIpDontFragment);

/// The outer headers of an inner packet, finished.
test::Bytes finished(const Backend& made, const Inner& inner) {
  test::Bytes outer(outer_of(made).begin(), outer_of(made).end());
  if (made.outer_family == 4)
    finish_ipv4(outer.data(), made.outer_sum, made.overhead, inner);
  else
    finish_ipv6(outer.data(), made.overhead, inner);
  return outer;
}

TEST(HeaderTemplate, BeginsWithTheHopsAddresses) {
  const auto made = make_backend(pool("p", {}, Forwarding::kL2dsr), 3, backend("b", 7));
  const auto ethernet = test::ethernet_of(made.header);
  EXPECT_EQ(test::mac_text(ethernet), "02:00:00:01:01:07 < 02:00:00:00:00:01");
  EXPECT_EQ(ethernet.type.to_host(), wire::kEtherIpv4);
  EXPECT_EQ(made.pool, 3U);
  EXPECT_TRUE(made.reachable);
  EXPECT_EQ(made.mtu, 1500U);
}

TEST(HeaderTemplate, HopDecidesPortAndMtu) {
  auto input = backend("b", 7);
  input.hop->port = 5;
  input.hop->mtu = 9000;
  const auto made = make_backend(pool("p", {}), 0, input);
  EXPECT_EQ(made.port, 5U);
  EXPECT_EQ(made.mtu, 9000U);
}

TEST(HeaderTemplate, WithoutAHopNothingIsPromised) {
  auto input = backend("b", 7);
  input.hop.reset();
  const auto made = make_backend(pool("p", {}), 0, input);
  EXPECT_FALSE(made.reachable);
  EXPECT_EQ(made.state, State::kUp);
  EXPECT_TRUE(std::ranges::all_of(made.header, [](std::byte b) { return b == std::byte{0}; }));
}

TEST(HeaderTemplate, L2dsrNeverDecrementsTheTtlAndTunnelsDoWhereThePoolSaysSo) {
  auto p = pool("p", {}, Forwarding::kIpip);
  EXPECT_TRUE(make_backend(p, 0, backend("b", 1)).decrement_ttl);
  p.decrement_ttl = false;
  EXPECT_FALSE(make_backend(p, 0, backend("b", 1)).decrement_ttl);
  p.forwarding = Forwarding::kL2dsr;
  p.decrement_ttl = true;
  EXPECT_FALSE(make_backend(p, 0, backend("b", 1)).decrement_ttl);
}

TEST(HeaderTemplate, OuterHeaderGoesFromThePoolsSourceToTheBackend) {
  const auto made = make_backend(pool("p", {}), 0, backend("b", 7));
  const auto outer = test::ipv4_of(outer_of(made));
  EXPECT_EQ(test::text(outer.source), "10.0.0.1");
  EXPECT_EQ(test::text(outer.destination), "10.0.1.7");
  EXPECT_EQ(outer.ttl, kOuterTtl);
}

TEST(HeaderTemplate, OverheadIsThatOfTheOuterHeaders) {
  auto p = pool("p", {}, Forwarding::kL2dsr);
  p.outer_source6 = test::ip("2001:db8::1");
  auto v6 = backend("b", 7);
  v6.address = test::ip("2001:db8:1::7");
  EXPECT_EQ(make_backend(p, 0, backend("b", 7)).overhead, 0);
  p.forwarding = Forwarding::kIpip;
  EXPECT_EQ(make_backend(p, 0, backend("b", 7)).overhead, 20);
  EXPECT_EQ(make_backend(p, 0, v6).overhead, 40);
  p.forwarding = Forwarding::kGue;
  EXPECT_EQ(make_backend(p, 0, backend("b", 7)).overhead, 28);
  EXPECT_EQ(make_backend(p, 0, v6).overhead, 48);
  p.gue_variant = 0;
  EXPECT_EQ(make_backend(p, 0, backend("b", 7)).overhead, 32);
  EXPECT_EQ(make_backend(p, 0, v6).overhead, 52);
}

TEST(HeaderTemplate, OuterFamilyIsThatOfTheBackend) {
  auto p = pool("p", {});
  p.outer_source6 = test::ip("2001:db8::1");
  auto v6 = backend("b", 7);
  v6.address = test::ip("2001:db8:1::7");
  const auto made = make_backend(p, 0, v6);
  EXPECT_EQ(made.outer_family, 6);
  EXPECT_EQ(test::ethernet_of(made.header).type.to_host(), wire::kEtherIpv6);
  EXPECT_EQ(make_backend(p, 0, backend("b", 7)).outer_family, 4);
}

TEST(FinishIpv4, GivesTheHeaderThatTheBuilderGives) {
  const auto made = make_backend(pool("p", {}), 0, backend("b", 7));
  const auto outer = finished(
      made, {.length = 40, .tos = 0xb9, .fragment = kDontFragment, .protocol = wire::kIpProtoIpip});
  const test::Bytes wanted = test::Packet()
                                 .ipip("10.0.0.1", "10.0.1.7")
                                 .ttl(kOuterTtl)
                                 .tos(0xb9)
                                 .df()
                                 .ipv4("198.51.100.1", "203.0.113.10")
                                 .tcp(40000, 443);
  EXPECT_EQ(test::hex(outer), test::hex(std::span(wanted).first(kV4)));
}

TEST(FinishIpv6, GivesTheHeaderThatTheBuilderGives) {
  auto p = pool("p", {});
  p.outer_source6 = test::ip("2001:db8::1");
  auto b = backend("b", 7);
  b.address = test::ip("2001:db8:1::7");
  const auto outer = finished(
      make_backend(p, 0, b),
      {.length = 40, .tos = 0xb9, .fragment = kDontFragment, .protocol = wire::kIpProtoTcp});
  const test::Bytes wanted = test::Packet()
                                 .ipv6("2001:db8::1", "2001:db8:1::7")
                                 .ttl(kOuterTtl)
                                 .tos(0xb9)
                                 .tcp(40000, 443)
                                 .payload(20);
  EXPECT_EQ(test::hex(outer), test::hex(std::span(wanted).first(sizeof(wire::Ipv6))));
}

TEST(FinishIpv4, ChecksumIsRightWhateverTheBackendAndThePacket) {
  std::mt19937 random(1);
  const auto any = [&random] { return static_cast<std::uint8_t>(random()); };
  for (int i = 0; i < 20'000; ++i) {
    auto p = pool("p", {});
    auto b = backend("b", 1);
    p.outer_source = IpAddress::v4({any(), any(), any(), any()});
    b.address = IpAddress::v4({any(), any(), any(), any()});
    const Inner inner{.length = static_cast<std::uint16_t>(random() % 65516),
                      .tos = any(),
                      .fragment = random() % 2 == 0 ? kDontFragment : Be16{},
                      .protocol = any()};
    const auto outer = finished(make_backend(p, 0, b), inner);
    ASSERT_TRUE(test::ipv4_checksum_ok(outer)) << test::hex(outer);
    const auto header = test::ipv4_of(outer);
    ASSERT_EQ(header.tos, inner.tos);
    ASSERT_EQ(header.protocol, inner.protocol);
    ASSERT_EQ(header.total_length.to_host(), inner.length + 20);
    ASSERT_EQ(header.fragment, inner.fragment);
  }
}

TEST(FinishIpv4, ChecksumIsRightAtTheEdgesOfItsSum) {
  // All bits set and none: the sums that fold to 0xffff and carry most.
  for (const char* address : {"0.0.0.0", "255.255.255.255"})
    for (const std::uint8_t tos : {std::uint8_t{0}, std::uint8_t{0xff}})
      for (const std::uint16_t length :
           {std::uint16_t{0}, std::uint16_t{20}, std::uint16_t{0xffff - 20}}) {
        auto p = pool("p", {});
        p.outer_source = test::ip(address);
        const auto made = make_backend(p, 0, backend("b", 1));
        const auto outer = finished(
            made, {.length = length, .tos = tos, .fragment = kDontFragment, .protocol = 0xff});
        EXPECT_TRUE(test::ipv4_checksum_ok(outer)) << test::hex(outer);
      }
}

TEST(FinishUdp, ZeroIsNeverWrittenAsTheChecksum) {
  auto p = pool("p", {}, Forwarding::kGue);
  const auto made = make_backend(p, 0, backend("b", 1));
  unsigned ones = 0;
  for (std::uint32_t sum = 0; sum <= 0xffff; ++sum) {  // among all sums is the one that makes 0
    test::Bytes udp(outer_of(made).begin() + kV4, outer_of(made).end());
    finish_udp(udp.data(), made.udp_sum, 0, wire::kIpProtoIpip, 40, sum, 1);
    const auto check = wire::load<Be16>(udp.data() + offsetof(wire::Udp, checksum));
    ASSERT_NE(check.wire(), 0);
    ones += check.wire() == 0xffff ? 1U : 0U;
  }
  EXPECT_GE(ones, 1U);
}

TEST(FinishUdp, SourcePortIsDynamicAndVariesWithTheFlow) {
  const auto made = make_backend(pool("p", {}, Forwarding::kGue), 0, backend("b", 1));
  std::set<unsigned> ports;
  for (std::uint64_t hash = 0; hash < 1000; ++hash) {
    test::Bytes udp(outer_of(made).begin() + kV4, outer_of(made).end());
    finish_udp(udp.data(), made.udp_sum, 0, wire::kIpProtoIpip, 40, 0, hash);
    const auto port = wire::load<Be16>(udp.data()).to_host();
    EXPECT_GE(port, 49152U);
    ports.insert(port);
  }
  EXPECT_EQ(ports.size(), 1000U);
}

}  // namespace
}  // namespace sluice::snapshot
