// SPDX-License-Identifier: Apache-2.0
// No device here has rte_flow: a fake stands behind the calls, and says what it was asked for.
#include "dataplane/flow_rules.hpp"

#include "base/address.hpp"
#include "snapshot/input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <string>

namespace sluice::dataplane {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAre;
using Texts = std::set<std::string>;

std::uint16_t host(std::uint16_t wire) { return Be16::from_wire(wire).to_host(); }

std::string text(const rte_flow_item& item) {
  const auto v6_address = [](const std::uint8_t* bytes) {
    std::array<std::uint8_t, 16> copy{};
    std::memcpy(copy.data(), bytes, copy.size());
    return IpAddress::v6(copy).text();
  };
  switch (item.type) {
    case RTE_FLOW_ITEM_TYPE_ETH:
      return "eth";
    case RTE_FLOW_ITEM_TYPE_VLAN:
      return "vlan";
    case RTE_FLOW_ITEM_TYPE_IPV4: {
      const auto& spec = static_cast<const rte_flow_item_ipv4*>(item.spec)->hdr;
      const auto& mask = static_cast<const rte_flow_item_ipv4*>(item.mask)->hdr;
      EXPECT_EQ(mask.dst_addr, 0xffffffffU);
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &spec.dst_addr, 4);
      std::string said = IpAddress::v4(bytes).text();
      if (mask.next_proto_id != 0) said += fmt::format(" protocol {}", spec.next_proto_id);
      if (mask.fragment_offset == 0) return said;
      const auto& last = static_cast<const rte_flow_item_ipv4*>(item.last)->hdr;
      EXPECT_EQ(last.dst_addr, spec.dst_addr);
      return said + fmt::format(" fragment {:x} to {:x} of {:x}", host(spec.fragment_offset),
                                host(last.fragment_offset), host(mask.fragment_offset));
    }
    case RTE_FLOW_ITEM_TYPE_IPV6: {
      const auto& spec = *static_cast<const rte_flow_item_ipv6*>(item.spec);
      const auto& mask = *static_cast<const rte_flow_item_ipv6*>(item.mask);
      EXPECT_EQ(v6_address(mask.hdr.dst_addr), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
      std::string said = v6_address(spec.hdr.dst_addr);
      if (mask.hdr.proto != 0) said += fmt::format(" protocol {}", spec.hdr.proto);
      if (mask.has_frag_ext != 0) said += spec.has_frag_ext != 0 ? " fragment" : " whole";
      return said;
    }
    case RTE_FLOW_ITEM_TYPE_TCP: {
      const auto& spec = static_cast<const rte_flow_item_tcp*>(item.spec)->hdr;
      const auto& mask = static_cast<const rte_flow_item_tcp*>(item.mask)->hdr;
      return mask.dst_port == 0 ? "tcp" : fmt::format("tcp {}", host(spec.dst_port));
    }
    case RTE_FLOW_ITEM_TYPE_UDP: {
      const auto& spec = static_cast<const rte_flow_item_udp*>(item.spec)->hdr;
      const auto& mask = static_cast<const rte_flow_item_udp*>(item.mask)->hdr;
      return mask.dst_port == 0 ? "udp" : fmt::format("udp {}", host(spec.dst_port));
    }
    default:
      return "something else";
  }
}

std::string text(const rte_flow_item* items) {
  std::string said;
  for (; items->type != RTE_FLOW_ITEM_TYPE_END; ++items)
    said += (said.empty() ? "" : " / ") + text(*items);
  return said;
}

std::string text(const FlowRule& rule) { return text(FlowPattern(rule).items()); }

Texts texts(const std::vector<FlowRule>& rules) {
  Texts all;
  for (const auto& rule : rules) all.insert(text(rule));
  EXPECT_EQ(all.size(), rules.size()) << "two rules say the same";
  return all;
}

snapshot::Input input_with(std::vector<snapshot::ServiceInput> services) {
  return test::input({test::pool("p", test::backends(1))}, std::move(services));
}

// What the rules are.

TEST(FlowRulesOf, NoServicesAreNone) { EXPECT_THAT(flow_rules_of(input_with({}), {}), IsEmpty()); }

TEST(FlowRulesOf, AServiceIsItsPortAndWhatBelongsToItsFlowsWithoutPorts) {
  const auto rules = flow_rules_of(input_with({test::service("web", "203.0.113.10", 443)}), {});
  EXPECT_THAT(
      texts(rules),
      UnorderedElementsAre("eth / 203.0.113.10 / tcp 443", "eth / vlan / 203.0.113.10 / tcp 443",
                           "eth / 203.0.113.10 protocol 1", "eth / vlan / 203.0.113.10 protocol 1",
                           "eth / 203.0.113.10 fragment 1 to 3fff of 3fff",
                           "eth / vlan / 203.0.113.10 fragment 1 to 3fff of 3fff"));
}

TEST(FlowRulesOf, AServiceOfIpv6IsLikewise) {
  const auto rules = flow_rules_of(
      input_with({test::service("web", "2001:db8:f::10", 443, 0, wire::kIpProtoUdp)}), {});
  EXPECT_THAT(texts(rules),
              UnorderedElementsAre(
                  "eth / 2001:db8:f::10 / udp 443", "eth / vlan / 2001:db8:f::10 / udp 443",
                  "eth / 2001:db8:f::10 protocol 58", "eth / vlan / 2001:db8:f::10 protocol 58",
                  "eth / 2001:db8:f::10 fragment", "eth / vlan / 2001:db8:f::10 fragment"));
}

TEST(FlowRulesOf, PortZeroIsEveryPort) {
  const auto rules = flow_rules_of(input_with({test::service("web", "203.0.113.10", 0)}), {});
  EXPECT_THAT(texts(rules), testing::Contains("eth / 203.0.113.10 / tcp"));
}

TEST(FlowRulesOf, ServicesOfOneAddressShareWhatHasNoPort) {
  const auto rules = flow_rules_of(
      input_with({test::service("a", "203.0.113.10", 80), test::service("b", "203.0.113.10", 443),
                  test::service("c", "203.0.113.10", 443, 0, wire::kIpProtoUdp)}),
      {});
  EXPECT_EQ(texts(rules).size(), 2U * (3 + 2));
}

TEST(FlowRulesOf, DeviceThatKnowsNoPortsGetsAddresses) {
  const auto rules = flow_rules_of(
      input_with({test::service("a", "203.0.113.10", 80), test::service("b", "203.0.113.10", 443),
                  test::service("c", "2001:db8:f::10", 1)}),
      FlowGrain::kAddress);
  EXPECT_THAT(texts(rules),
              UnorderedElementsAre("eth / 203.0.113.10", "eth / vlan / 203.0.113.10",
                                   "eth / 2001:db8:f::10", "eth / vlan / 2001:db8:f::10"));
}

TEST(FlowRulesOf, NatAddressesAreTheWorkersWhateverThePort) {
  auto pool = test::pool("p", test::backends(1), snapshot::Forwarding::kNat);
  pool.nat = snapshot::NatInput{.sources = {test::ip("10.0.0.2"), test::ip("2001:db8::2")}};
  EXPECT_THAT(texts(flow_rules_of(test::input({pool}, {}), {})),
              UnorderedElementsAre("eth / 10.0.0.2", "eth / vlan / 10.0.0.2", "eth / 2001:db8::2",
                                   "eth / vlan / 2001:db8::2"));
}

TEST(FlowRulesOf, TheyAreSortedAndTheSameWhateverTheOrderOfServices) {
  const auto a = test::service("a", "203.0.113.10", 80);
  const auto b = test::service("b", "203.0.113.9", 81);
  EXPECT_EQ(flow_rules_of(input_with({a, b}), {}), flow_rules_of(input_with({b, a}), {}));
  EXPECT_TRUE(std::ranges::is_sorted(flow_rules_of(input_with({a, b}), {})));
}

TEST(FlowPattern, EverythingIsAnyFrame) { EXPECT_EQ(text(FlowRule{}), "eth"); }

// How they get to the device.

/// A device that keeps rules, as far as it likes.
struct Device {
  static inline std::map<rte_flow*, std::string> rules;
  static inline std::size_t room = 0;
  static inline std::string refused;  ///< Part of the text of rules that it does not know.
  static inline unsigned created = 0;
  static inline unsigned destroyed = 0;
  static inline std::vector<std::uint16_t> queues;
  static inline bool keeps_for_ever = false;

  static rte_flow* create(std::uint16_t, const rte_flow_attr* attributes,
                          const rte_flow_item* items, const rte_flow_action* actions,
                          rte_flow_error* error) {
    EXPECT_EQ(attributes->ingress, 1U);
    const std::string said = text(items);
    EXPECT_EQ(attributes->priority, said == "eth" ? 1U : 0U);
    if (rules.size() >= room || (!refused.empty() && said.find(refused) != std::string::npos)) {
      rte_errno = ENOTSUP;
      error->message = "not with me";
      return nullptr;
    }
    for (const auto& [flow, other] : rules) EXPECT_NE(said, other) << "a rule is made twice";
    if (actions[0].type == RTE_FLOW_ACTION_TYPE_RSS) {
      const auto& rss = *static_cast<const rte_flow_action_rss*>(actions[0].conf);
      queues.assign(rss.queue, rss.queue + rss.queue_num);
    } else {
      EXPECT_EQ(actions[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
      queues = {static_cast<const rte_flow_action_queue*>(actions[0].conf)->index};
    }
    EXPECT_EQ(actions[1].type, RTE_FLOW_ACTION_TYPE_END);
    auto* flow = reinterpret_cast<rte_flow*>(static_cast<std::uintptr_t>(++created));
    rules[flow] = said;
    return flow;
  }
  static int destroy(std::uint16_t, rte_flow* flow, rte_flow_error*) {
    if (keeps_for_ever) return -EIO;
    EXPECT_EQ(rules.erase(flow), 1U) << "a rule is removed that is not there";
    ++destroyed;
    return 0;
  }
  static Texts all() {
    Texts texts;
    for (const auto& [flow, said] : rules) texts.insert(said);
    return texts;
  }
};

struct Installer : testing::Test {
  void SetUp() override {
    Device::rules.clear();
    Device::room = 1000;
    Device::refused.clear();
    Device::created = Device::destroyed = 0;
    Device::keeps_for_ever = false;
  }
  static auto open(std::uint16_t queues = 1) {
    return FlowRules::open({.port = 3, .queues = queues, .rss_types = RTE_ETH_RSS_IP},
                           {Device::create, Device::destroy});
  }
  static snapshot::ServiceInput service(unsigned last, std::uint16_t port = 80) {
    return test::service("s" + std::to_string(last), "203.0.113." + std::to_string(last), port);
  }
  static Texts texts_of(const snapshot::Input& input) { return texts(flow_rules_of(input, {})); }
};

TEST_F(Installer, WhatIsTriedAtTheStartIsGoneAgain) {
  const auto rules = open();
  ASSERT_TRUE(rules);
  EXPECT_EQ((*rules)->grain(), FlowGrain::kPort);
  EXPECT_GT(Device::created, 10U);
  EXPECT_THAT(Device::rules, IsEmpty());
}

TEST_F(Installer, DeviceWithoutFragmentsIsToldAddressesOnly) {
  Device::refused = "fragment";
  const auto rules = open();
  ASSERT_TRUE(rules);
  EXPECT_EQ((*rules)->grain(), FlowGrain::kAddress);
  EXPECT_THAT(Device::rules, IsEmpty());
  ASSERT_TRUE((*rules)->apply(input_with({service(1)})));
  EXPECT_THAT(Device::all(), UnorderedElementsAre("eth / 203.0.113.1", "eth / vlan / 203.0.113.1"));
}

TEST_F(Installer, DeviceThatTakesNothingIsRefusedWithItsOwnWord) {
  Device::room = 0;
  const auto rules = open();
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, Errc::kUnsupported);
  EXPECT_THAT(rules.error().message, HasSubstr("not with me"));
}

TEST_F(Installer, RulesSpreadOverAllQueues) {
  ASSERT_TRUE(open(1));
  EXPECT_THAT(Device::queues, ElementsAre(0));
  ASSERT_TRUE(open(3));
  EXPECT_THAT(Device::queues, ElementsAre(0, 1, 2));
}

TEST_F(Installer, ATableIsInstalledAndOnlyTheDifferenceToTheNext) {
  const auto rules = open();
  ASSERT_TRUE((*rules)->apply(input_with({service(1), service(2)})));
  EXPECT_EQ(Device::all(), texts_of(input_with({service(1), service(2)})));
  EXPECT_EQ((*rules)->count(), 12U);
  Device::created = 100;
  Device::destroyed = 0;
  ASSERT_TRUE((*rules)->apply(input_with({service(1), service(2)})));
  EXPECT_EQ(Device::created, 100U) << "nothing has changed";
  ASSERT_TRUE((*rules)->apply(input_with({service(2), service(3)})));
  EXPECT_EQ(Device::created, 106U);
  EXPECT_EQ(Device::destroyed, 6U);
  EXPECT_EQ(Device::all(), texts_of(input_with({service(2), service(3)})));
}

TEST_F(Installer, WhereTheDeviceHasNoMoreRoomEverythingComesUntilItHas) {
  const auto rules = open();
  Device::room = 14;
  ASSERT_TRUE((*rules)->apply(input_with({service(1), service(2)})));
  const auto many = input_with({service(1), service(2), service(3)});
  Device::room = 13;  // one of the third service's six, and then nothing, not even the last resort
  const auto failed = (*rules)->apply(many);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kIo);
  EXPECT_THAT(Device::all(), IsSupersetOf(texts_of(input_with({service(1), service(2)}))));
  EXPECT_FALSE((*rules)->takes_all());

  Device::refused = "203.0.113.3";
  Device::room = 100;
  const auto refused = (*rules)->apply(many);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kExhausted);
  EXPECT_THAT(Device::all(), ElementsAre("eth"));
  EXPECT_TRUE((*rules)->takes_all());

  Device::refused.clear();
  ASSERT_TRUE((*rules)->apply(many));
  EXPECT_EQ(Device::all(), texts_of(many));
  EXPECT_FALSE((*rules)->takes_all());
}

TEST_F(Installer, TheyAreNoMoreThanItsBound) {
  const auto rules = open();
  Device::room = 100'000;
  std::vector<snapshot::ServiceInput> services;
  for (std::uint16_t port = 1; port <= FlowRules::kMost / 2; ++port)
    services.push_back(service(1, port));
  const auto failed = (*rules)->apply(input_with(services));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("4096 is the most"));
  EXPECT_THAT(Device::all(), ElementsAre("eth"));
  services.resize(FlowRules::kMost / 2 - 2);  // with ICMP and fragments just as many as fit
  ASSERT_TRUE((*rules)->apply(input_with(services)));
  EXPECT_EQ(Device::rules.size(), FlowRules::kMost);
  EXPECT_THAT(Device::all(), Not(testing::Contains("eth")));
}

TEST_F(Installer, ARuleThatTheDeviceDoesNotGiveUpIsTriedAgain) {
  const auto rules = open();
  ASSERT_TRUE((*rules)->apply(input_with({service(1)})));
  Device::keeps_for_ever = true;
  ASSERT_TRUE((*rules)->apply(input_with({})));
  EXPECT_EQ((*rules)->count(), 6U);
  Device::keeps_for_ever = false;
  ASSERT_TRUE((*rules)->apply(input_with({})));
  EXPECT_THAT(Device::rules, IsEmpty());
}

TEST_F(Installer, NoneIsLeftAtTheEnd) {
  auto rules = open();
  ASSERT_TRUE((*rules)->apply(input_with({service(1)})));
  rules->reset();
  EXPECT_THAT(Device::rules, IsEmpty());
}

}  // namespace
}  // namespace sluice::dataplane
