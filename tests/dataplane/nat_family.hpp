// SPDX-License-Identifier: Apache-2.0
// Hosts on both sides of NAT, for tests of it in either family.
//
// Threads: one owner.
#pragma once

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

namespace sluice::test {

inline constexpr const char* kBackendMac = "02:00:00:01:01:07";
inline constexpr const char* kRouterMac = "02:00:00:00:00:77";
inline constexpr std::uint16_t kListens = 8080;
inline constexpr std::uint8_t kSynAck = wire::kTcpSyn | wire::kTcpAck;

/// Names of the hosts of one family.
struct NatHosts {
  const char* client;
  const char* vip;
  const char* backend;
  const char* local;
  const char* router;
};
inline constexpr NatHosts kNatV4{"198.51.100.1", "203.0.113.10", "10.0.1.7", "10.0.0.9",
                                 "10.9.9.9"};
inline constexpr NatHosts kNatV6{"2001:db8:c::1", "2001:db8:a::10", "2001:db8:1::7",
                                 "2001:db8:0::9", "2001:db8:9::9"};

class NatFamily {
 public:
  explicit NatFamily(int number) : v4_(number == 4), hosts(number == 4 ? kNatV4 : kNatV6) {}

  [[nodiscard]] Packet ip(const char* from, const char* to, Packet p = Packet().eth()) const {
    return v4_ ? p.ipv4(from, to) : p.ipv6(from, to);
  }
  [[nodiscard]] Packet from_client(Packet p = Packet().eth()) const {
    return ip(hosts.client, hosts.vip, std::move(p));
  }
  [[nodiscard]] Packet from_backend() const {
    return ip(hosts.backend, hosts.local, Packet().eth(kOwnMac, kBackendMac));
  }
  [[nodiscard]] Packet to_backend() const {
    return ip(hosts.local, hosts.backend, Packet().eth(kBackendMac, kOwnMac)).ttl(63);
  }
  [[nodiscard]] Packet to_client() const {
    return ip(hosts.vip, hosts.client, Packet().eth(kClientMac, kOwnMac)).ttl(63);
  }
  /// One backend that listens on kListens, services on 443 for TCP and UDP.
  [[nodiscard]] snapshot::Input input(
      snapshot::ClientAddress how = snapshot::ClientAddress::kNone) const {
    auto backend = test::backend("b", 7);
    backend.address = test::ip(hosts.backend);
    backend.port = kListens;
    auto pool = test::pool("p", {backend}, snapshot::Forwarding::kNat);
    pool.nat = snapshot::NatInput{.sources = {test::ip(hosts.local)}, .client_address = how};
    auto made = test::input({pool}, {test::service("web", hosts.vip, 443),
                                     test::service("dns", hosts.vip, 443, 0, wire::kIpProtoUdp)});
    made.icmp_errors_per_second = 0;
    return made;
  }
  [[nodiscard]] bool v4() const { return v4_; }

 private:
  bool v4_;

 public:
  NatHosts hosts;
};

/// Two frames are the same.
#define EXPECT_BYTES(actual, wanted) \
  EXPECT_EQ(::sluice::test::hex(actual), ::sluice::test::hex(::sluice::test::Bytes(wanted)))

/// Of a TCP or UDP frame.
inline std::uint16_t source_port(const Bytes& frame) {
  return udp_of(strip_ethernet(frame)).source_port.to_host();
}

/// Sends a client's SYN and returns the local port that it got.
inline std::uint16_t connect(Rig& rig, const snapshot::Snapshot& now, const NatFamily& f,
                             std::uint16_t client = 40000, std::uint32_t isn = 1000) {
  const auto out = rig.one(now, f.from_client().tcp(client, 443, wire::kTcpSyn).sequence(isn));
  EXPECT_EQ(out.verdict, Verdict::kForward);
  return source_port(out.bytes);
}

}  // namespace sluice::test
