// SPDX-License-Identifier: Apache-2.0
#include "health/syn_packet.hpp"

#include "packet/headers.hpp"

#include <gtest/gtest.h>

namespace sluice::health {
namespace {

TcpPair pair_of(bool v4) {
  const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };
  return v4 ? TcpPair{ip("10.0.0.1"), ip("203.0.113.10"), 40000, 443}
            : TcpPair{ip("2001:db8::1"), ip("2001:db8:5::10"), 40000, 443};
}

TEST(SynPacket, WhatIsMadeIsReadBackAndNothingShorterIs) {
  for (const bool v4 : {true, false})
    for (const std::uint8_t flags : {wire::kTcpSyn, wire::kTcpRst}) {
      const auto packet = tcp_packet(pair_of(v4), 7, flags);
      const auto answer = read_tcp(packet);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->pair, pair_of(v4));
      EXPECT_EQ(answer->flags, flags);
      const std::size_t whole = (v4 ? 20 : 40) + sizeof(wire::Tcp);
      for (std::size_t n = 0; n < packet.size(); ++n) {
        // A copy of just that length, so that a sanitizer sees a read beyond it.
        const std::vector<std::byte> cut(packet.begin(),
                                         packet.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_EQ(read_tcp(cut).has_value(), n >= whole) << n;
      }
    }
}

TEST(SynPacket, FragmentsOtherProtocolsAndLyingHeadersAreNotRead) {
  const auto packet = tcp_packet(pair_of(true), 7, wire::kTcpSyn);
  const auto changed = [&](std::size_t at, int value) {
    auto copy = packet;
    copy[at] = std::byte(value);
    return read_tcp(copy).has_value();
  };
  EXPECT_TRUE(changed(0, 0x45));
  for (int words = 0; words < 16; ++words) {
    const std::size_t header = static_cast<std::size_t>(words) * 4;
    EXPECT_EQ(changed(0, 0x40 | words), words >= 5 && header + 20 <= packet.size()) << words;
  }
  EXPECT_FALSE(changed(0, 0x75));
  EXPECT_FALSE(changed(7, 1));   // fragment offset
  EXPECT_FALSE(changed(9, 17));  // UDP
  auto six = tcp_packet(pair_of(false), 7, wire::kTcpSyn);
  six[6] = std::byte{44};  // an extension header
  EXPECT_FALSE(read_tcp(six));
}

TEST(SynPacket, TunnelWithoutASourceOfTheBackendsFamilyMakesNothing) {
  Tunnel tunnel;
  tunnel.service = IpAddress::parse("203.0.113.10").value();
  tunnel.source = IpAddress::parse("2001:db8::1").value();
  const auto inner = tcp_packet(pair_of(true), 7, wire::kTcpSyn);
  EXPECT_TRUE(tunnelled(tunnel, IpAddress::parse("10.0.0.2").value(), inner).empty());
  EXPECT_EQ(tunnelled(tunnel, IpAddress::parse("2001:db8::2").value(), inner).size(),
            inner.size() + 40);
}

}  // namespace
}  // namespace sluice::health
