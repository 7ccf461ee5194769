// SPDX-License-Identifier: Apache-2.0
#include "netlink/messages.hpp"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace sluice::netlink {
namespace {

using Bytes = std::vector<std::byte>;

/// A message as the kernel would send it.
class Built {
 public:
  template <class Fixed>
  Built(std::uint16_t type, const Fixed& fixed) {
    header()->nlmsg_len = MNL_NLMSG_HDRLEN;
    header()->nlmsg_type = type;
    header()->nlmsg_seq = 7;
    std::memcpy(mnl_nlmsg_put_extra_header(header(), sizeof fixed), &fixed, sizeof fixed);
  }
  Built& put(std::uint16_t type, std::initializer_list<std::uint8_t> payload) {
    mnl_attr_put(header(), type, payload.size(), payload.begin());
    return *this;
  }
  Built& put_text(std::uint16_t type, const char* text) {
    mnl_attr_put_strz(header(), type, text);
    return *this;
  }
  Built& put_number(std::uint16_t type, std::uint32_t number) {
    mnl_attr_put_u32(header(), type, number);
    return *this;
  }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(room_.data()); }
  Bytes bytes() { return {room_.begin(), room_.begin() + header()->nlmsg_len}; }

 private:
  alignas(nlmsghdr) std::array<std::byte, 512> room_{};
};

/// Decodes a copy that ends where its memory ends, so that the address sanitizer sees a read past
/// it.
std::vector<Message> decoded(std::span<const std::byte> bytes) {
  const auto exact = std::make_unique<std::byte[]>(bytes.size());
  std::ranges::copy(bytes, exact.get());
  std::vector<Message> messages;
  decode({exact.get(), bytes.size()}, [&](const Message& m) { messages.push_back(m); });
  return messages;
}

template <class T>
T only(const Bytes& bytes) {
  const auto messages = decoded(bytes);
  EXPECT_EQ(messages.size(), 1U);
  const auto* const content = messages.empty() ? nullptr : std::get_if<T>(&messages[0].content);
  EXPECT_NE(content, nullptr) << "is another kind, number " << messages.at(0).content.index();
  return content == nullptr ? T{} : *content;
}

Built link_message(std::uint16_t type = RTM_NEWLINK) {
  ifinfomsg about{};
  about.ifi_type = ARPHRD_ETHER;
  about.ifi_index = 3;
  about.ifi_flags = IFF_UP | IFF_LOWER_UP;
  return Built(type, about)
      .put_text(IFLA_IFNAME, "front")
      .put(IFLA_ADDRESS, {2, 0, 0, 0, 0, 1})
      .put_number(IFLA_MTU, 1500);
}

Built neighbour_message(std::uint16_t type = RTM_NEWNEIGH) {
  ndmsg about{};
  about.ndm_family = AF_INET;
  about.ndm_ifindex = 3;
  about.ndm_state = NUD_REACHABLE;
  return Built(type, about).put(NDA_DST, {10, 0, 0, 2}).put(NDA_LLADDR, {2, 0, 0, 0, 0, 2});
}

Built route_message() {
  rtmsg about{};
  about.rtm_family = AF_INET;
  about.rtm_type = RTN_UNICAST;
  return Built(RTM_NEWROUTE, about)
      .put(RTA_DST, {192, 0, 2, 7})
      .put_number(RTA_OIF, 3)
      .put(RTA_GATEWAY, {10, 0, 0, 2});
}

TEST(NetlinkMessages, LinkIsRead) {
  const auto link = only<Link>(link_message().bytes());
  EXPECT_EQ(link.index, 3);
  EXPECT_EQ(link.name, "front");
  EXPECT_EQ(link.mac, MacAddress::parse("02:00:00:00:00:01"));
  EXPECT_EQ(link.mtu, 1500U);
  EXPECT_TRUE(link.ethernet && link.up && link.carrier && link.arp);
  EXPECT_FALSE(link.gone);
  EXPECT_TRUE(only<Link>(link_message(RTM_DELLINK).bytes()).gone);
}

TEST(NetlinkMessages, LinkWithoutCarrierArpOrMacSaysSo) {
  ifinfomsg about{};
  about.ifi_type = ARPHRD_NONE;
  about.ifi_index = 4;
  about.ifi_flags = IFF_UP | IFF_NOARP;
  const auto link = only<Link>(Built(RTM_NEWLINK, about).put_text(IFLA_IFNAME, "tun0").bytes());
  EXPECT_TRUE(link.up);
  EXPECT_FALSE(link.carrier || link.arp || link.ethernet);
  EXPECT_TRUE(link.mac.is_zero());
}

TEST(NetlinkMessages, WhatABridgeSaysOfItsPortsIsNoLink) {
  auto message = link_message(RTM_DELLINK);
  static_cast<ifinfomsg*>(mnl_nlmsg_get_payload(message.header()))->ifi_family = AF_BRIDGE;
  only<Ignored>(message.bytes());
}

TEST(NetlinkMessages, NeighbourIsRead) {
  const auto neighbour = only<Neighbour>(neighbour_message().bytes());
  EXPECT_EQ(neighbour.interface_index, 3);
  EXPECT_EQ(neighbour.address, IpAddress::parse("10.0.0.2"));
  EXPECT_EQ(neighbour.mac, MacAddress::parse("02:00:00:00:00:02"));
  EXPECT_EQ(neighbour.state, NUD_REACHABLE);
  EXPECT_FALSE(neighbour.kept_by_other || neighbour.gone);
  EXPECT_TRUE(only<Neighbour>(neighbour_message(RTM_DELNEIGH).bytes()).gone);
}

TEST(NetlinkMessages, NeighbourThatAnotherProgramKeepsIsMarked) {
  EXPECT_TRUE(
      only<Neighbour>(neighbour_message().put_number(NDA_FLAGS_EXT, NTF_EXT_MANAGED).bytes())
          .kept_by_other);
  auto learned = neighbour_message();
  static_cast<ndmsg*>(mnl_nlmsg_get_payload(learned.header()))->ndm_flags = NTF_EXT_LEARNED;
  EXPECT_TRUE(only<Neighbour>(learned.bytes()).kept_by_other);
}

TEST(NetlinkMessages, NeighbourWithAnotherKindOfLinkAddressHasNoMac) {
  ndmsg about{};
  about.ndm_family = AF_INET6;
  about.ndm_ifindex = 3;
  const auto neighbour =
      only<Neighbour>(Built(RTM_NEWNEIGH, about)
                          .put(NDA_DST, {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2})
                          .put(NDA_LLADDR, {10, 0, 0, 1})
                          .bytes());
  EXPECT_EQ(neighbour.address, IpAddress::parse("fe80::2"));
  EXPECT_EQ(neighbour.mac, std::nullopt);
}

TEST(NetlinkMessages, ProxyAndBridgeEntriesAreNoNeighbours) {
  auto proxy = neighbour_message();
  static_cast<ndmsg*>(mnl_nlmsg_get_payload(proxy.header()))->ndm_flags = NTF_PROXY;
  only<Ignored>(proxy.bytes());
  auto bridge = neighbour_message();
  static_cast<ndmsg*>(mnl_nlmsg_get_payload(bridge.header()))->ndm_family = AF_BRIDGE;
  only<Ignored>(bridge.bytes());
}

TEST(NetlinkMessages, RouteIsRead) {
  const auto route = only<Route>(route_message().bytes());
  EXPECT_EQ(route.type, RTN_UNICAST);
  EXPECT_EQ(route.interface_index, 3);
  EXPECT_EQ(route.gateway, IpAddress::parse("10.0.0.2"));
  rtmsg about{};
  about.rtm_family = AF_INET;
  const auto via = only<Route>(
      Built(RTM_NEWROUTE, about)
          .put(RTA_VIA, {AF_INET6, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2})
          .bytes());
  EXPECT_EQ(via.gateway, IpAddress::parse("fe80::2"));
}

TEST(NetlinkMessages, AddressOfAPointToPointLinkIsTheNearEnds) {
  ifaddrmsg about{};
  about.ifa_family = AF_INET;
  about.ifa_index = 3;
  about.ifa_prefixlen = 32;
  const auto at = only<Assigned>(Built(RTM_NEWADDR, about)
                                     .put(IFA_ADDRESS, {10, 0, 0, 2})
                                     .put(IFA_LOCAL, {10, 0, 0, 1})
                                     .bytes());
  EXPECT_EQ(at.address, IpAddress::parse("10.0.0.1"));
  EXPECT_EQ(at.protocol, 0);
  only<Broken>(Built(RTM_NEWADDR, about).bytes());  // without an address
  only<Broken>(Built(RTM_NEWADDR, about).put(IFA_LOCAL, {10, 0, 0}).bytes());
  about.ifa_prefixlen = 33;
  only<Broken>(Built(RTM_NEWADDR, about).put(IFA_LOCAL, {10, 0, 0, 1}).bytes());
}

TEST(NetlinkMessages, AttributesOfTheWrongSizeAreBroken) {
  ifinfomsg link{};
  link.ifi_index = 3;
  only<Broken>(Built(RTM_NEWLINK, link).put(IFLA_IFNAME, {'f', 'r'}).bytes());  // no NUL at the end
  only<Broken>(Built(RTM_NEWLINK, link).put(IFLA_IFNAME, {}).bytes());
  only<Broken>(Built(RTM_NEWLINK, ifinfomsg{}).put_text(IFLA_IFNAME, "x").bytes());  // index 0
  ndmsg neighbour{};
  neighbour.ndm_family = AF_INET;
  neighbour.ndm_ifindex = 3;
  only<Broken>(Built(RTM_NEWNEIGH, neighbour).bytes());  // no address
  only<Broken>(Built(RTM_NEWNEIGH, neighbour).put(NDA_DST, {10, 0, 0}).bytes());
  only<Broken>(Built(RTM_NEWNEIGH, neighbour).put(NDA_DST, {10, 0, 0, 1, 2}).bytes());
  only<Broken>(neighbour_message().put(NDA_FLAGS_EXT, {1, 2}).bytes());
  rtmsg route{};
  route.rtm_family = AF_INET;
  only<Broken>(Built(RTM_NEWROUTE, route).put(RTA_OIF, {1}).bytes());
  only<Broken>(Built(RTM_NEWROUTE, route).put_number(RTA_OIF, 0x80000000U).bytes());
  only<Broken>(Built(RTM_NEWROUTE, route).put(RTA_GATEWAY, {1, 2, 3}).bytes());
  only<Broken>(Built(RTM_NEWROUTE, route).put(RTA_VIA, {AF_INET6}).bytes());
  only<Broken>(Built(RTM_NEWROUTE, route).put(RTA_VIA, {AF_INET6, 0, 1, 2, 3}).bytes());
}

TEST(NetlinkMessages, OutcomesAreErrorNumbers) {
  EXPECT_EQ(only<Outcome>(Built(NLMSG_ERROR, nlmsgerr{}).bytes()).error, 0);
  nlmsgerr refused{};
  refused.error = -ENETUNREACH;
  EXPECT_EQ(only<Outcome>(Built(NLMSG_ERROR, refused).bytes()).error, ENETUNREACH);
  for (const int wrong : {1, -4096, std::numeric_limits<int>::min()}) {
    nlmsgerr lie{};
    lie.error = wrong;
    only<Broken>(Built(NLMSG_ERROR, lie).bytes());
  }
  only<Done>(Built(NLMSG_DONE, std::int32_t{0}).bytes());
  EXPECT_EQ(only<Outcome>(Built(NLMSG_DONE, std::int32_t{-EBUSY}).bytes()).error, EBUSY);
}

TEST(NetlinkMessages, MessagesOfADatagramComeInOrderWithTheirNumbers) {
  auto first = link_message();
  first.header()->nlmsg_flags = NLM_F_DUMP_INTR;
  Bytes datagram = first.bytes();
  const Bytes second = neighbour_message().bytes();
  datagram.insert(datagram.end(), second.begin(), second.end());
  const auto messages = decoded(datagram);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Link>(messages[0].content));
  EXPECT_TRUE(messages[0].interrupted);
  EXPECT_TRUE(std::holds_alternative<Neighbour>(messages[1].content));
  EXPECT_FALSE(messages[1].interrupted);
  EXPECT_EQ(messages[1].sequence, 7U);
}

/// Four messages in one datagram, and where each ends.
struct Four {
  Four() {
    for (const Bytes& one : {link_message().bytes(), neighbour_message().bytes(),
                             route_message().bytes(), Built(NLMSG_ERROR, nlmsgerr{}).bytes()}) {
      bytes.insert(bytes.end(), one.begin(), one.end());
      ends.push_back(bytes.size());
    }
  }
  Bytes bytes;
  std::vector<std::size_t> ends;
};

TEST(NetlinkMessages, EveryTruncationIsBrokenAtItsEndAndNeverReadPast) {
  const auto [all, ends] = Four();
  for (std::size_t length = 0; length <= all.size(); ++length) {
    const auto messages = decoded(std::span(all).first(length));
    const auto next = std::ranges::upper_bound(ends, length);
    const auto whole = static_cast<std::size_t>(next - ends.begin());
    const bool clean = length == 0 || (whole > 0 && ends[whole - 1] == length);
    ASSERT_EQ(messages.size(), whole + (clean ? 0 : 1)) << length;
    for (std::size_t i = 0; i < messages.size(); ++i)
      ASSERT_EQ(std::holds_alternative<Broken>(messages[i].content), i == whole) << length;
  }
}

TEST(NetlinkMessages, MessageWhoseLengthLiesAboutItsAttributesIsBrokenOrShorter) {
  for (std::uint32_t length = 0; length < 256; ++length) {
    auto message = neighbour_message();
    const Bytes all = message.bytes();
    message.header()->nlmsg_len = length;
    Bytes lying = all;
    std::memcpy(lying.data(), message.header(), sizeof(nlmsghdr));
    const auto messages = decoded(lying);
    ASSERT_FALSE(messages.empty()) << length;
    if (length > all.size() || length < sizeof(nlmsghdr)) {
      ASSERT_TRUE(std::holds_alternative<Broken>(messages[0].content)) << length;
    }
  }
}

TEST(NetlinkMessages, RandomDamageIsSurvivedAndNothingIsInvented) {
  const Bytes all = Four().bytes;
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    Bytes damaged = all;
    for (unsigned hits = 1 + random() % 8; hits > 0; --hits)
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    for (const auto& message : decoded(damaged)) {
      if (const auto* const link = std::get_if<Link>(&message.content)) {
        ASSERT_GT(link->index, 0);
        ASSERT_LT(link->name.size(), all.size());
      } else if (const auto* const n = std::get_if<Neighbour>(&message.content)) {
        ASSERT_GT(n->interface_index, 0);
      } else if (const auto* const outcome = std::get_if<Outcome>(&message.content)) {
        ASSERT_GE(outcome->error, 0);
      }
    }
  }
}

TEST(NetlinkMessages, RequestsAreWellFormed) {
  const auto address = IpAddress::parse("10.0.0.2").value();
  for (Request request : {Request::dump_links(), Request::dump_neighbours(),
                          Request::dump_addresses(), Request::route_to(address),
                          Request::use_neighbour(3, address), Request::add_address(3, address, 83),
                          Request::remove_address(3, address), Request::set_up(3)}) {
    request.set_sequence(9);
    const auto bytes = request.bytes();
    const auto* const header = reinterpret_cast<const nlmsghdr*>(bytes.data());
    EXPECT_TRUE(mnl_nlmsg_ok(header, static_cast<int>(bytes.size())));
    EXPECT_EQ(header->nlmsg_len, bytes.size());
    EXPECT_EQ(header->nlmsg_seq, 9U);
    EXPECT_NE(header->nlmsg_flags & NLM_F_REQUEST, 0);
  }
  // What is asked with the layout of an answer can be read as one.
  const auto request = Request::use_neighbour(3, address);
  const auto read = only<Neighbour>({request.bytes().begin(), request.bytes().end()});
  EXPECT_EQ(read.interface_index, 3);
  EXPECT_EQ(read.address, address);
  const auto put = Request::add_address(3, IpAddress::parse("2001:db8::1").value(), 83);
  const auto assigned = only<Assigned>({put.bytes().begin(), put.bytes().end()});
  EXPECT_EQ(assigned.interface_index, 3);
  EXPECT_EQ(assigned.address, IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(assigned.prefix_length, 128U);
  EXPECT_EQ(assigned.protocol, 83);
  EXPECT_FALSE(assigned.gone);
  const auto away = Request::remove_address(3, address);
  EXPECT_TRUE(only<Assigned>({away.bytes().begin(), away.bytes().end()}).gone);
}

}  // namespace
}  // namespace sluice::netlink
