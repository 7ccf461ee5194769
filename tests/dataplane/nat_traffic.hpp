// SPDX-License-Identifier: Apache-2.0
// Random traffic through NAT: clients that connect, talk and misbehave, and backends that answer
// whatever the node has translated.
//
// Threads: one owner.
#pragma once

#include "dataplane/rig.hpp"
#include "snapshot/input.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace sluice::test {

/// A pool and its services, TCP and UDP 443 and 80 of one address.
struct NatSite {
  const char* address;
  snapshot::Forwarding forwarding = snapshot::Forwarding::kNat;
  snapshot::ClientAddress how = snapshot::ClientAddress::kNone;
  std::uint16_t listens = 0;  ///< 0: on the service's port.
  std::uint16_t ports = 0;    ///< Local ports that it has; 0: all.

  [[nodiscard]] bool v6() const { return std::string(address).find(':') != std::string::npos; }
};

inline constexpr NatSite kNatSites[] = {
    {.address = "203.0.113.10"},
    {.address = "2001:db8::10"},
    {.address = "203.0.113.11", .listens = 8080, .ports = 64},
    {.address = "2001:db8::11", .listens = 8080, .ports = 64},
    {.address = "203.0.113.12", .how = snapshot::ClientAddress::kProxyV2},
    {.address = "2001:db8::12", .how = snapshot::ClientAddress::kToa},
    {.address = "203.0.113.13", .how = snapshot::ClientAddress::kToa},
    {.address = "2001:db8::13", .how = snapshot::ClientAddress::kProxyV2},
    // What is not of NAT, or has rules: strangers to its short way.
    {.address = "203.0.113.14"},
    {.address = "203.0.113.15", .forwarding = snapshot::Forwarding::kIpip},
    {.address = "2001:db8::15", .forwarding = snapshot::Forwarding::kIpip}};
inline constexpr unsigned kNatSiteCount = std::size(kNatSites);
inline constexpr unsigned kNatStrangers = 8;  ///< The first of them.

/// Where a site's backend is. Five of each site, numbers 10 x site and on.
inline IpAddress nat_backend(unsigned number) {
  const auto text = std::to_string(number + 1);
  return ip(kNatSites[number / 10].v6() ? "2001:db8:1::" + text : "10.0.1." + text);
}

/// @param random  decides which backends are down, drain, are unreachable or behind a small MTU.
inline snapshot::Input nat_sites(std::mt19937& random) {
  const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  std::vector<snapshot::PoolInput> pools;
  std::vector<snapshot::ServiceInput> services;
  for (unsigned s = 0; s < kNatSiteCount; ++s) {
    const NatSite& site = kNatSites[s];
    std::vector<snapshot::BackendInput> members;
    for (unsigned i = 0; i < 5; ++i) {
      auto member = backend("b" + std::to_string(i), s * 10 + i);
      member.address = nat_backend(s * 10 + i);
      member.port = pick(30) == 0 ? std::uint16_t{9000} : site.listens;
      const unsigned fate = pick(24);
      if (fate == 0) member.draining = true;
      if (fate == 1) member.down = true;
      if (fate == 2) member.hop.reset();
      if (fate == 3) member.hop->mtu = 100;
      if (fate != 4) members.push_back(std::move(member));
    }
    auto made = pool("p" + std::to_string(s), std::move(members), site.forwarding);
    made.decrement_ttl = pick(3) != 0;
    made.outer_source6 = *IpAddress::parse("2001:db8:ffff::1");
    if (site.forwarding == snapshot::Forwarding::kNat) {
      made.nat = snapshot::NatInput{.sources = {ip(site.v6() ? "2001:db8:2::9" : "192.0.2.1")},
                                    .client_address = site.how};
      if (site.ports != 0) {
        made.nat->first_port = 1024;
        made.nat->last_port = static_cast<std::uint16_t>(1023 + site.ports);
      }
    }
    pools.push_back(std::move(made));
    for (const std::uint16_t port : {std::uint16_t{443}, std::uint16_t{80}})
      for (const std::uint8_t protocol : {wire::kIpProtoTcp, wire::kIpProtoUdp}) {
        if (pick(40) == 0) continue;  // a service that is gone for a while, or has another pool
        const unsigned from = s < kNatStrangers && pick(20) == 0 ? (s + 2) % kNatStrangers : s;
        services.push_back(
            service("s" + std::to_string(services.size()), site.address, port, from, protocol));
        if (s == kNatStrangers && pick(3) != 0)
          services.back().deny.push_back(*IpPrefix::parse("198.51.100.0/30"));
      }
  }
  auto made = input(std::move(pools), std::move(services));
  made.port_mtus = {1500, 200};
  return made;
}

class NatTraffic {
 public:
  /// @param clients    of each site, and their ports.
  /// @param strangers  whether some packets are of sites that never take the short way of NAT.
  NatTraffic(unsigned seed, unsigned clients, bool strangers)
      : random_(seed), clients_(clients), sites_(strangers ? kNatSiteCount : kNatStrangers) {}

  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  /// What the next bursts are made of.
  void turn() {
    from_clients_ = pick(3);
    site_ = pick(2) == 0 ? std::optional<unsigned>() : static_cast<unsigned>(pick(sites_));
    calm_ = pick(3) != 0;
  }

  /// @param rig  whose sessions backends answer.
  Bytes next(const Rig& rig) {
    const unsigned number = site_.value_or(static_cast<unsigned>(pick(sites_)));
    const std::size_t many = pick(3) != 0 ? 2 : clients_;  // a few talk much
    Client c{.site = kNatSites[number],
             .host = static_cast<unsigned>(1 + pick(many)),
             .port = static_cast<std::uint16_t>(1024 + pick(many)),
             .to = static_cast<std::uint16_t>(pick(4) == 0 ? 80 : 443),
             .udp = pick(4) == 0};
    const auto known = rig.nat().known(key_of(c));
    const bool asks = !known || (from_clients_ == 2 ? pick(2) == 0 : from_clients_ == 0) ||
                      known->sample.state == flow::NatState::kClosing;
    // A handshake goes on whatever the bursts are made of.
    const auto state = known ? known->sample.state : flow::NatState::kFree;
    if (state == flow::NatState::kNew && pick(3) != 0) return spoilt(answer(c, *known));
    if (state == flow::NatState::kAnswered && pick(3) != 0) return spoilt(ask(c, state));
    return spoilt(asks ? ask(c, state) : answer(c, *known));
  }

 private:
  struct Client {
    const NatSite& site;
    unsigned host;
    std::uint16_t port;
    std::uint16_t to;
    bool udp;
    [[nodiscard]] std::string address() const {
      return (site.v6() ? "2001:db8:c::" : "198.51.100.") + std::to_string(host);
    }
    [[nodiscard]] std::uint32_t isn() const { return 0U - host * 8 - port % 8; }  // wraps soon
  };

  /// Once in `of` times, but in calm never.
  bool odd(std::size_t of) { return pick(of) == 0 && !calm_; }

  static FlowKey key_of(const Client& c) {
    FlowKey key{};
    std::ranges::copy(ip(c.address()).words(), key.source);
    std::ranges::copy(ip(c.site.address).words(), key.destination);
    key.source_port = Be16::from_host(c.port).wire();
    key.destination_port = Be16::from_host(c.to).wire();
    key.protocol = c.udp ? wire::kIpProtoUdp : wire::kIpProtoTcp;
    key.family = c.site.v6() ? 6 : 4;
    return key;
  }

  /// Headers up to IP, some of them odd.
  Packet headers(const std::string& from, const std::string& to, std::string_view mac) {
    Packet p;
    p.eth(kOwnMac, odd(100) ? std::string_view("02:00:00:00:00:99") : mac);
    if (odd(60)) p.vlan(5);
    if (from.find(':') != std::string::npos) {
      p.ipv6(from, to);
      if (odd(80)) p.hop_by_hop();
      if (odd(80))
        p.fragment_header(pick(2) == 0 ? 0 : 9, true, static_cast<std::uint32_t>(pick(4)));
    } else {
      p.ipv4(from, to);
      if (pick(2) == 0) p.df();
      if (odd(80)) p.options(1);
      if (odd(80)) p.id(static_cast<std::uint16_t>(pick(4))).fragment(pick(2) == 0 ? 0 : 9, true);
    }
    p.tos(static_cast<std::uint8_t>(pick(256)));
    p.ttl(static_cast<std::uint8_t>(odd(40) ? pick(3) : 2 + pick(254)));
    return p;
  }

  std::uint8_t flags(bool odd) {
    constexpr std::uint8_t kOdd[] = {wire::kTcpSyn,
                                     wire::kTcpFin | wire::kTcpAck,
                                     wire::kTcpRst,
                                     wire::kTcpSyn | wire::kTcpAck,
                                     0,
                                     std::uint8_t{wire::kTcpAck | 8}};
    return odd ? kOdd[pick(std::size(kOdd))] : wire::kTcpAck;
  }

  void payload(Packet& p, bool udp) {
    if (udp && pick(6) == 0) p.l4_checksum(0);  // none
    if (odd(40)) p.l4_checksum(static_cast<std::uint16_t>(pick(65536)));
    p.payload(pick(8) == 0 ? pick(1400) : pick(3) == 0 ? 0 : pick(60));
  }

  Packet ask(const Client& c, flow::NatState state) {
    Packet p = headers(c.address(), c.site.address, kClientMac);
    const auto to = odd(80) ? std::uint16_t{81} : c.to;
    if (c.udp) {
      p.udp(c.port, to);
    } else {
      const bool opens = state == flow::NatState::kFree || state == flow::NatState::kClosing;
      p.tcp(c.port, to, opens && pick(8) != 0 ? wire::kTcpSyn : flags(odd(12)));
      p.sequence(c.isn() + (opens ? 0U : static_cast<std::uint32_t>(1 + pick(3) * pick(60))));
      p.acknowledgement(kBackendIsn + static_cast<std::uint32_t>(1 + pick(2) * pick(60)));
      if (odd(20)) p.tcp_options(1 + pick(9));
    }
    payload(p, c.udp);
    return p;
  }

  Packet answer(const Client& c, const flow::NatKnown& known) {
    const unsigned number = known.sample.backend;
    Packet p = headers(nat_backend(number).text(), c.site.v6() ? "2001:db8:2::9" : "192.0.2.1",
                       "02:00:00:01:01:07");
    const auto from = c.site.listens != 0 ? c.site.listens : c.to;
    const std::uint16_t to = Be16::from_wire(known.local_port).to_host();
    if (pick(40) == 0) return error_about(c, p, number, from, to);
    if (c.udp) {
      p.udp(from, to);
    } else {
      const bool fresh = known.sample.state == flow::NatState::kNew;
      p.tcp(from, to, fresh && pick(8) != 0 ? wire::kTcpSyn | wire::kTcpAck : flags(odd(12)));
      p.sequence(fresh ? kBackendIsn : kBackendIsn + static_cast<std::uint32_t>(pick(100)));
      p.acknowledgement(c.isn() + static_cast<std::uint32_t>(1 + pick(2) * pick(100)));
    }
    payload(p, c.udp);
    return p;
  }

  /// A backend's complaint of a packet that it got.
  Packet error_about(const Client& c, Packet p, unsigned number, std::uint16_t from,
                     std::uint16_t to) {
    const std::string local = c.site.v6() ? "2001:db8:2::9" : "192.0.2.1";
    Packet got;
    c.site.v6() ? got.ipv6(local, nat_backend(number).text())
                : got.ipv4(local, nat_backend(number).text());
    c.udp ? got.udp(to, from) : got.tcp(to, from).sequence(c.isn() + 40);
    return p.icmp(c.site.v6() ? 1 : 3, c.site.v6() ? 4 : 3).quote(got);
  }

  Bytes spoilt(const Packet& p) {
    Bytes made = p;
    if (pick(3) == 0 && made.size() < 60) made.resize(60);
    if (odd(80)) made.resize(pick(made.size()));
    if (odd(80) && !made.empty()) made[pick(made.size())] ^= static_cast<std::byte>(1U << pick(8));
    return made;
  }

  static constexpr std::uint32_t kBackendIsn = 0xffffffd0;

  std::mt19937 random_;
  unsigned clients_;
  unsigned sites_;
  std::size_t from_clients_ = 2;  ///< 0: clients' packets alone, 1: answers, 2: both.
  std::optional<unsigned> site_;
  bool calm_ = false;
};

}  // namespace sluice::test
