// SPDX-License-Identifier: Apache-2.0
#include "snapshot/header_template.hpp"

#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice::snapshot {
namespace {

using test::backend;
using test::backends;
using test::pool;

std::span<const std::byte> outer_of(const Backend& b) {
  return std::span(b.header).subspan(kEthernetBytes, kOuterBytes);
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

TEST(HeaderTemplate, OnlyIpipDecrementsTheTtlAndOnlyWhereThePoolSaysSo) {
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
  EXPECT_EQ(outer.protocol, wire::kIpProtoIpip);
  EXPECT_EQ(outer.ttl, kOuterTtl);
}

TEST(FinishOuter, GivesTheHeaderThatTheBuilderGives) {
  const auto made = make_backend(pool("p", {}), 0, backend("b", 7));
  std::array<std::byte, kOuterBytes> outer{};
  std::ranges::copy(outer_of(made), outer.begin());
  finish_outer(outer.data(), made.outer_sum, 0xb9, 20 + 40, true);
  const test::Bytes wanted = test::Packet()
                                 .ipip("10.0.0.1", "10.0.1.7")
                                 .ttl(kOuterTtl)
                                 .tos(0xb9)
                                 .df()
                                 .ipv4("198.51.100.1", "203.0.113.10")
                                 .tcp(40000, 443);
  EXPECT_EQ(test::hex(outer), test::hex(std::span(wanted).first(kOuterBytes)));
}

TEST(FinishOuter, ChecksumIsRightWhateverTheBackendAndThePacket) {
  std::mt19937 random(1);
  const auto any = [&random] { return static_cast<std::uint8_t>(random()); };
  for (int i = 0; i < 20'000; ++i) {
    auto p = pool("p", {});
    auto b = backend("b", 1);
    p.outer_source = IpAddress::v4({any(), any(), any(), any()});
    b.address = IpAddress::v4({any(), any(), any(), any()});
    const auto made = make_backend(p, 0, b);
    std::array<std::byte, kOuterBytes> outer{};
    std::ranges::copy(outer_of(made), outer.begin());
    const std::uint8_t tos = any();
    const auto length = static_cast<std::uint16_t>(random());
    const bool df = random() % 2 == 0;
    finish_outer(outer.data(), made.outer_sum, tos, length, df);
    ASSERT_TRUE(test::ipv4_checksum_ok(outer)) << test::hex(outer);
    const auto header = test::ipv4_of(outer);
    ASSERT_EQ(header.tos, tos);
    ASSERT_EQ(header.total_length.to_host(), length);
    ASSERT_EQ(header.fragment.to_host(), df ? wire::kIpDontFragment : 0);
  }
}

TEST(FinishOuter, ChecksumIsRightAtTheEdgesOfItsSum) {
  // All bits set and none: the sums that fold to 0xffff and carry most.
  for (const char* address : {"0.0.0.0", "255.255.255.255"})
    for (const unsigned tos : {0U, 0xffU})
      for (const unsigned length : {0U, 20U, 0xffffU}) {
        auto p = pool("p", {});
        p.outer_source = test::ip(address);
        const auto made = make_backend(p, 0, backend("b", 1));
        std::array<std::byte, kOuterBytes> outer{};
        std::ranges::copy(outer_of(made), outer.begin());
        finish_outer(outer.data(), made.outer_sum, static_cast<std::uint8_t>(tos),
                     static_cast<std::uint16_t>(length), true);
        EXPECT_TRUE(test::ipv4_checksum_ok(outer)) << test::hex(outer);
      }
}

}  // namespace
}  // namespace sluice::snapshot
