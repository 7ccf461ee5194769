// SPDX-License-Identifier: Apache-2.0
// The client's address before its bytes (PROXY protocol v2) and in a TCP option (TOA).
#include "dataplane/nat_client_address.hpp"

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace sluice::dataplane {
namespace {

using snapshot::ClientAddress;
using test::Bytes;
using test::Packet;
using test::Rig;
using wire::kTcpAck;
using wire::kTcpFin;
using wire::kTcpSyn;

constexpr std::uint32_t kWrappingIsn = 0xfffffff0;  // numbers wrap soon
constexpr std::uint32_t kBackendIsn = 5000;
constexpr std::uint16_t kClientPort = 0x9c40;

Bytes hex_bytes(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(std::byte(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A connection of one family through NAT, from 198.51.100.1 or 2001:db8:c::1, port 40000.
class Connection : public testing::TestWithParam<int> {
 protected:
  void start(ClientAddress how) {
    auto backend = test::backend("b", 7);
    backend.address = test::ip(v4 ? "10.0.1.7" : "2001:db8:1::7");
    auto pool = test::pool("p", {backend}, snapshot::Forwarding::kNat);
    pool.nat = snapshot::NatInput{.sources = {test::ip(local())}, .client_address = how};
    now = test::built(test::input({pool}, {test::service("web", vip(), 443)}));
    rig.emplace();
    const auto syn = rig->one(*now, client(kTcpSyn, kWrappingIsn));
    ASSERT_EQ(syn.verdict, Verdict::kForward);
    port = tcp(syn).source_port.to_host();
    EXPECT_EQ(data(syn).size(), 0U);
    EXPECT_EQ(tcp(syn).sequence.to_host(), kWrappingIsn);
  }
  const char* vip() const { return v4 ? "203.0.113.10" : "2001:db8:a::10"; }
  const char* local() const { return v4 ? "10.0.0.9" : "2001:db8::9"; }
  Packet client(std::uint8_t flags, std::uint32_t sequence,
                std::uint32_t acknowledgement = kBackendIsn + 1) const {
    Packet p = Packet().eth();
    v4 ? p.ipv4("198.51.100.1", vip()) : p.ipv6("2001:db8:c::1", vip());
    return p.tcp(kClientPort, 443, flags).sequence(sequence).acknowledgement(acknowledgement);
  }
  Packet server(std::uint8_t flags, std::uint32_t acknowledgement) const {
    Packet p = Packet().eth();
    v4 ? p.ipv4("10.0.1.7", local()) : p.ipv6("2001:db8:1::7", local());
    return p.tcp(443, port, flags).sequence(kBackendIsn).acknowledgement(acknowledgement);
  }
  static wire::Tcp tcp(const test::Handled& h) {
    return test::tcp_of(test::strip_ethernet(h.bytes));
  }
  static Bytes data(const test::Handled& h) {
    const auto view = test::strip_transport(test::strip_ethernet(h.bytes));
    return {view.begin(), view.end()};
  }
  test::Handled pass(const Packet& p) {
    auto h = rig->one(*now, p);
    EXPECT_EQ(h.verdict, Verdict::kForward);
    EXPECT_TRUE(test::checksums_right(h.bytes)) << test::hex(h.bytes);
    return h;
  }
  /// By the letter of the protocol's text: signature, version and command, family, length,
  /// addresses, ports.
  Bytes header() const {
    const std::string signature = "0d0a0d0a000d0a515549540a";
    if (v4) return hex_bytes(signature + "2111000c" + "c6336401" + "cb00710a" + "9c40" + "01bb");
    return hex_bytes(signature + "21210024" + "20010db8000c00000000000000000001" +
                     "20010db8000a00000000000000000010" + "9c40" + "01bb");
  }

  bool v4 = GetParam() == 4;
  std::optional<Rig> rig;
  std::unique_ptr<const snapshot::Snapshot> now;
  std::uint16_t port = 0;
};
INSTANTIATE_TEST_SUITE_P(Families, Connection, testing::Values(4, 6));

constexpr std::uint32_t kFirst = kWrappingIsn + 1;  // number of the client's first byte

TEST_P(Connection, ProxyHeaderGoesBeforeTheFirstByteAsOftenAsThatIsSent) {
  start(ClientAddress::kProxyV2);
  pass(server(kTcpSyn | kTcpAck, kFirst));
  const auto bare = pass(client(kTcpAck, kFirst));
  EXPECT_EQ(data(bare), header()) << "a server that speaks first waits for it, too";
  EXPECT_EQ(tcp(bare).sequence.to_host(), kFirst);
  const Bytes hello = hex_bytes("68656c6c6f");
  for (int sent = 0; sent < 3; ++sent) {
    const auto first = pass(client(kTcpAck, kFirst).payload(hello));
    EXPECT_EQ(data(first), header() + hello);
    EXPECT_EQ(tcp(first).sequence.to_host(), kFirst);
  }
  const auto second = pass(client(kTcpAck, kFirst + 5).payload(hello));
  EXPECT_EQ(data(second), hello);
  EXPECT_EQ(tcp(second).sequence.to_host(),
            kFirst + 5 + static_cast<std::uint32_t>(header().size()));
}

TEST_P(Connection, OnceTheProxyHeaderHasArrivedAllNumbersAreMovedByIt) {
  start(ClientAddress::kProxyV2);
  const auto bytes = static_cast<std::uint32_t>(header().size());
  pass(server(kTcpSyn | kTcpAck, kFirst));
  pass(client(kTcpAck, kFirst));
  EXPECT_EQ(tcp(pass(server(kTcpAck, kFirst + bytes))).acknowledgement.to_host(), kFirst);
  const auto first = pass(client(kTcpAck, kFirst).payload(5));
  EXPECT_EQ(data(first).size(), 5U);
  EXPECT_EQ(tcp(first).sequence.to_host(), kFirst + bytes);
  EXPECT_EQ(tcp(pass(server(kTcpAck, kFirst + bytes + 5))).acknowledgement.to_host(), kFirst + 5);
  // An old acknowledgement of no more than a part of the header acknowledges none of the client's.
  EXPECT_EQ(tcp(pass(server(kTcpAck, kFirst + 3))).acknowledgement.to_host(), kFirst);
  // A probe of an idle connection repeats the number before the next.
  EXPECT_EQ(tcp(pass(client(kTcpAck, kFirst + 4))).sequence.to_host(), kFirst + 4 + bytes);
  const auto fin = pass(client(kTcpFin | kTcpAck, kFirst + 5));
  EXPECT_EQ(tcp(fin).sequence.to_host(), kFirst + 5 + bytes);
}

TEST_P(Connection, SelectiveAcknowledgementsAreMovedToo) {
  start(ClientAddress::kProxyV2);
  const auto bytes = static_cast<std::uint32_t>(header().size());
  pass(server(kTcpSyn | kTcpAck, kFirst));
  pass(client(kTcpAck, kFirst).payload(100));
  pass(client(kTcpAck, kFirst + 200).payload(100));
  Bytes answer = server(kTcpAck, kFirst + bytes + 100).tcp_options(3);
  // One no-operation, then kind 5 with one block, whose edges stand at odd offsets.
  const std::size_t options = answer.size() - 12;
  const auto put = [&](std::size_t at, std::uint32_t n) {
    for (unsigned i = 0; i < 4; ++i)
      answer[options + at + i] = static_cast<std::byte>(n >> (24 - 8 * i));
  };
  answer[options + 1] = std::byte{5};
  answer[options + 2] = std::byte{10};
  put(3, kFirst + bytes + 200);
  put(7, kFirst + bytes + 300);
  answer[options + 11] = std::byte{1};
  const auto got = rig->one(*now, answer);
  ASSERT_EQ(got.verdict, Verdict::kForward);
  const auto edge = [&](std::size_t at) {
    return wire::load<Be32>(got.bytes.data() + options + at).to_host();
  };
  EXPECT_EQ(edge(3), kFirst + 200);
  EXPECT_EQ(edge(7), kFirst + 300);
  EXPECT_EQ(tcp(got).acknowledgement.to_host(), kFirst + 100);
  // The bytes were written without mending the checksum: by as much it is off still.
  Bytes plain = answer;
  const auto sum_of = [](const Bytes& frame) {
    const auto ip = test::ip_of(test::strip_ethernet(frame));
    Bytes all(ip.source.begin(), ip.source.end());
    all.insert(all.end(), ip.destination.begin(), ip.destination.end());
    all.insert(all.end(), ip.payload.begin(), ip.payload.end());
    return test::slow_checksum(all);
  };
  EXPECT_EQ(sum_of(got.bytes), sum_of(plain));
}

TEST_P(Connection, TheClientIsToldASegmentSizeThatLeavesRoom) {
  for (const auto how : {ClientAddress::kProxyV2, ClientAddress::kToa, ClientAddress::kNone}) {
    start(how);
    Bytes answer = server(kTcpSyn | kTcpAck, kFirst).tcp_options(1);
    const std::size_t option = answer.size() - 4;
    std::ranges::copy(hex_bytes("020405b4"), answer.begin() + static_cast<std::ptrdiff_t>(option));
    const auto got = rig->one(*now, answer);
    ASSERT_EQ(got.verdict, Verdict::kForward);
    const unsigned toa = v4 ? 8 : 20;
    const unsigned room = how == ClientAddress::kProxyV2 ? static_cast<unsigned>(header().size())
                          : how == ClientAddress::kToa   ? toa
                                                         : 0;
    EXPECT_EQ(wire::load<Be16>(got.bytes.data() + option + 2).to_host(), 1460U - room);
  }
}

TEST_P(Connection, ASegmentThatTheHeaderMakesTooBigIsRefusedWhole) {
  start(ClientAddress::kProxyV2);
  pass(server(kTcpSyn | kTcpAck, kFirst));
  const std::size_t full = 1500 - (v4 ? 40U : 60U);
  const auto fits = pass(client(kTcpAck, kFirst).payload(full - header().size()));
  EXPECT_EQ(fits.bytes.size(), 1514U);
  const Bytes big = client(kTcpAck, kFirst).payload(full - header().size() + 1);
  const auto got = rig->one(*now, big);
  EXPECT_EQ(outcome(got.verdict), Outcome::kAnswer);
}

TEST_P(Connection, ToaGoesWithEveryPacketUntilTheClientHasAcknowledgedAByte) {
  start(ClientAddress::kToa);
  pass(server(kTcpSyn | kTcpAck, kFirst));
  // Kind 254, length, port, address.
  const Bytes option =
      hex_bytes(v4 ? "fe089c40c6336401" : "fe149c4020010db8000c00000000000000000001");
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}}) {
    const auto got = pass(client(kTcpAck, kFirst).tcp_options(3).payload(bytes));
    const auto segment = test::strip_ip(test::strip_ethernet(got.bytes));
    const Bytes wanted(segment.begin() + 20,
                       segment.begin() + 20 + static_cast<std::ptrdiff_t>(option.size()));
    EXPECT_EQ(wanted, option);
    EXPECT_EQ(data(got).size(), bytes);
    EXPECT_EQ(tcp(got).sequence.to_host(), kFirst);
  }
  const auto later = pass(client(kTcpAck, kFirst + 100, kBackendIsn + 2).payload(10));
  EXPECT_EQ(test::strip_ip(test::strip_ethernet(later.bytes)).size(), 30U);
  // Where options leave no room, the packet goes without.
  const auto full = pass(client(kTcpAck, kFirst).tcp_options(10));
  EXPECT_EQ(test::strip_ip(test::strip_ethernet(full.bytes)).size(), 60U);
}

TEST_P(Connection, AnErrorAboutAMovedSegmentNamesTheClientsNumber) {
  start(ClientAddress::kProxyV2);
  const auto bytes = static_cast<std::uint32_t>(header().size());
  pass(server(kTcpSyn | kTcpAck, kFirst));
  pass(client(kTcpAck, kFirst).payload(100));
  const auto moved = pass(client(kTcpAck, kFirst + 100).payload(100));
  EXPECT_EQ(tcp(moved).sequence.to_host(), kFirst + 100 + bytes);
  Packet quoted = Packet().eth();
  v4 ? quoted.ipv4(local(), "10.0.1.7") : quoted.ipv6(local(), "2001:db8:1::7");
  quoted.tcp(port, 443).sequence(kFirst + 100 + bytes).payload(100);
  Packet error = Packet().eth();
  v4 ? error.ipv4("10.9.9.9", local()).icmp(3, 4, 1400)
     : error.ipv6("2001:db8:9::9", local()).icmp(2, 0, 1400);
  const auto got = pass(error.quote(quoted, v4 ? 28 : 48));
  const auto quote = test::strip_ip(test::strip_ethernet(got.bytes)).subspan(8);
  EXPECT_EQ(wire::load<Be32>(quote.data() + (v4 ? 24 : 44)).to_host(), kFirst + 100);
}

}  // namespace
}  // namespace sluice::dataplane
