// SPDX-License-Identifier: Apache-2.0
// Translation of plain packets, beside that of any packets: the same for every checksum.
#include "dataplane/nat_plain.hpp"

#include "dataplane/encapsulate.hpp"
#include "dataplane/nat_family.hpp"
#include "dataplane/nat_rewrite.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {
namespace {

using flow::NatEnd;
using flow::NatSession;
using flow::NatSide;
using test::Bytes;
using test::NatFamily;
using test::Packet;

class PlainNat : public testing::TestWithParam<int> {
 protected:
  static void set(NatSession& s, NatEnd end, const char* address, std::uint16_t port) {
    const auto words = test::ip(address).words();
    s.word0[end] = words[0];
    std::copy(words.begin() + 1, words.end(), s.rest[end].begin());
    s.port[end] = Be16::from_host(port).wire();
  }
  [[nodiscard]] NatSession session(std::uint8_t protocol) const {
    NatSession s{};
    set(s, flow::kNatClient, f.hosts.client, 40000);
    set(s, flow::kNatService, f.hosts.vip, 443);
    set(s, flow::kNatBackend, f.hosts.backend, 8080);
    set(s, flow::kNatLocal, f.hosts.local, 1024);
    s.protocol = protocol;
    s.family = static_cast<std::uint8_t>(GetParam());
    return s;
  }
  [[nodiscard]] Packet from(NatSide side) const {
    return side == NatSide::kClient ? f.from_client() : f.from_backend();
  }
  [[nodiscard]] static Packet with_ports(Packet p, NatSide side, bool udp) {
    const std::uint16_t source = side == NatSide::kClient ? 40000 : 8080;
    const std::uint16_t destination = side == NatSide::kClient ? 443 : 1024;
    return (udp ? p.udp(source, destination) : p.tcp(source, destination)).payload(3);
  }

  /// The frame translated by set_ends() and decrement_ttl().
  [[nodiscard]] Bytes translated(Bytes frame, const NatSession& s, NatSide side,
                                 bool decrement) const {
    std::byte* ip = frame.data() + kPlainIp;
    set_ends(ip, frame.data() + (f.v4() ? kPlainL4v4 : kPlainL4v6), s.family, s.protocol,
             translated_ends(s, side));
    if (decrement) decrement_ttl(ip, s.family);
    return frame;
  }
  [[nodiscard]] Bytes translated_plain(Bytes frame, const NatSession& s, NatSide side,
                                       bool decrement) const {
    std::uint32_t aged = 0;
    if (f.v4()) {
      Bytes older = frame;
      decrement_ttl(older.data() + kPlainIp, 4);
      aged = wire::load<std::uint32_t>(older.data() + kPlainIp + offsetof(wire::Ipv4, ttl));
      translate_plain<true>(frame.data(), s, side, decrement, aged);
    } else {
      translate_plain<false>(frame.data(), s, side, decrement, aged);
    }
    return frame;
  }

  NatFamily f{GetParam()};
};

TEST_P(PlainNat, MakesOfAnyChecksumWhatTheRewriteMakesOfIt) {
  for (const NatSide side : {NatSide::kClient, NatSide::kBackend})
    for (const bool udp : {false, true}) {
      const NatSession s = session(udp ? wire::kIpProtoUdp : wire::kIpProtoTcp);
      Bytes frame = with_ports(from(side), side, udp);
      const std::size_t l4 = (f.v4() ? kPlainL4v4 : kPlainL4v6) +
                             (udp ? offsetof(wire::Udp, checksum) : offsetof(wire::Tcp, checksum));
      for (unsigned sum = 0; sum < 65536; ++sum) {
        wire::store(frame.data() + l4, static_cast<std::uint16_t>(sum));
        if (f.v4())
          wire::store(frame.data() + kPlainIp + offsetof(wire::Ipv4, checksum),
                      static_cast<std::uint16_t>(sum * 3));
        const bool decrement = sum % 2 == 0;
        ASSERT_EQ(translated_plain(frame, s, side, decrement),
                  translated(frame, s, side, decrement))
            << sum;
      }
    }
}

TEST_P(PlainNat, KnowsThePacketsOfASessionFromAllOthers) {
  const auto is_of_session = [&](const Bytes& frame, const NatSession& s, NatSide side) {
    return f.v4() ? is_of<true>(s, side, frame.data()) : is_of<false>(s, side, frame.data());
  };
  for (const NatSide side : {NatSide::kClient, NatSide::kBackend}) {
    const NatSession s = session(wire::kIpProtoTcp);
    const Bytes frame = with_ports(from(side), side, false);
    EXPECT_TRUE(is_of_session(frame, s, side));
    EXPECT_FALSE(
        is_of_session(frame, s, side == NatSide::kClient ? NatSide::kBackend : NatSide::kClient));
    EXPECT_FALSE(is_of_session(frame, session(wire::kIpProtoUdp), side));
    const auto key = f.v4() ? plain_key<true>(frame.data()) : plain_key<false>(frame.data());
    const auto wanted = nat_key(s, side);
    EXPECT_EQ(std::memcmp(&key, &wanted, sizeof key), 0);
    // Each bit of addresses and ports counts.
    const std::size_t l4 = f.v4() ? kPlainL4v4 : kPlainL4v6;
    for (std::size_t at = l4 - (f.v4() ? 8 : 32); at < l4 + 4; ++at)
      for (unsigned bit = 0; bit < 8; ++bit) {
        Bytes other = frame;
        other[at] ^= static_cast<std::byte>(1U << bit);
        EXPECT_FALSE(is_of_session(other, s, side)) << at;
      }
  }
}

TEST_P(PlainNat, KnowsTheWayBackByEachByteOfIt) {
  const Bytes frame = with_ports(f.from_client(), NatSide::kClient, false);
  const auto path = path_of(frame.data(), kPlainIp, 3);
  EXPECT_TRUE(is_path(path, frame.data(), 3));
  EXPECT_FALSE(is_path(path, frame.data(), 2));
  for (std::size_t at = 0; at < 12; ++at) {
    Bytes other = frame;
    other[at] ^= std::byte{0x10};
    EXPECT_FALSE(is_path(path, other.data(), 3)) << at;
  }
  const Bytes tagged = f.from_client(Packet().eth().vlan(0)).tcp(40000, 443);
  EXPECT_FALSE(is_path(path_of(tagged.data(), kPlainIp + sizeof(wire::Vlan), 3), frame.data(), 3));
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, PlainNat, testing::Values(4, 6));

}  // namespace
}  // namespace sluice::dataplane
