// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_rules.hpp"

#include "packet/headers.hpp"
#include "snapshot/nat.hpp"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

namespace sluice::dataplane {
namespace {

using Kind = FlowRule::Kind;

constexpr std::uint32_t kFirstPriority = 0;
constexpr std::uint32_t kLastPriority = 1;  // of the rule for everything

FlowRule rule_for(const IpAddress& address, Kind kind) {
  FlowRule rule;
  rule.kind = kind;
  rule.family = address.is_v4() ? 4 : 6;
  if (address.is_v4())
    std::memcpy(rule.address.data(), address.words().data(), 4);
  else
    std::ranges::copy(address.bytes(), rule.address.begin());
  return rule;
}

FlowRule rule_for(const IpAddress& address, std::uint8_t protocol, std::uint16_t port) {
  FlowRule rule = rule_for(address, Kind::kPort);
  rule.protocol = protocol;
  rule.port = port;
  return rule;
}

/// With a VLAN tag and without: a device that is told of none takes packets without only.
void add_both(std::set<FlowRule>& rules, FlowRule rule) {
  rules.insert(rule);
  rule.tagged = true;
  rules.insert(rule);
}

std::uint8_t icmp_of(std::uint8_t family) {
  return family == 4 ? wire::kIpProtoIcmp : wire::kIpProtoIcmp6;
}

/// Rules of every kind for nobody's packets (RFC 5737, RFC 3849): for trying them.
std::vector<FlowRule> one_of_each(FlowGrain grain) {
  std::set<FlowRule> rules;
  for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
    const auto address = *IpAddress::parse(text);
    add_both(rules, rule_for(address, Kind::kAddress));
    if (grain == FlowGrain::kAddress) continue;
    add_both(rules, rule_for(address, wire::kIpProtoTcp, 9));
    add_both(rules, rule_for(address, wire::kIpProtoUdp, 0));
    add_both(rules, rule_for(address, Kind::kIcmp));
    add_both(rules, rule_for(address, Kind::kFragments));
  }
  return {rules.begin(), rules.end()};
}

}  // namespace

std::vector<FlowRule> flow_rules_of(const snapshot::Input& input, FlowGrain grain) {
  std::set<FlowRule> rules;
  // What a backend answers may go to any port of them.
  for (const auto& address : snapshot::nat_addresses(input))
    add_both(rules, rule_for(address, Kind::kAddress));
  for (const auto& service : input.services) {
    if (grain == FlowGrain::kAddress) {
      add_both(rules, rule_for(service.address, Kind::kAddress));
    } else {
      add_both(rules, rule_for(service.address, service.protocol, service.port));
      add_both(rules, rule_for(service.address, Kind::kIcmp));
      add_both(rules, rule_for(service.address, Kind::kFragments));
    }
  }
  return {rules.begin(), rules.end()};
}

// FlowPattern

FlowPattern::FlowPattern(const FlowRule& rule) {
  add(RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr);
  if (rule.tagged) add(RTE_FLOW_ITEM_TYPE_VLAN, nullptr, nullptr);
  if (rule.family == 4) add_ipv4(rule);
  if (rule.family == 6) add_ipv6(rule);
  if (rule.kind == Kind::kPort) {
    const std::uint16_t port = Be16::from_host(rule.port).wire();
    const std::uint16_t mask = rule.port == 0 ? std::uint16_t{0} : std::uint16_t{0xffff};
    if (rule.protocol == wire::kIpProtoTcp) {
      tcp_.spec.hdr.dst_port = port;
      tcp_.mask.hdr.dst_port = mask;
      add(RTE_FLOW_ITEM_TYPE_TCP, &tcp_.spec, &tcp_.mask);
    } else {
      udp_.spec.hdr.dst_port = port;
      udp_.mask.hdr.dst_port = mask;
      add(RTE_FLOW_ITEM_TYPE_UDP, &udp_.spec, &udp_.mask);
    }
  }
  add(RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr);
}

void FlowPattern::add(rte_flow_item_type type, const void* spec, const void* mask,
                      const void* last) noexcept {
  items_[size_++] = {.type = type, .spec = spec, .last = last, .mask = mask};
}

void FlowPattern::add_ipv4(const FlowRule& rule) noexcept {
  std::memcpy(&v4_.spec.hdr.dst_addr, rule.address.data(), 4);
  v4_.mask.hdr.dst_addr = ~std::uint32_t{0};
  if (rule.kind == Kind::kIcmp) {
    v4_.spec.hdr.next_proto_id = icmp_of(4);
    v4_.mask.hdr.next_proto_id = 0xff;
  }
  if (rule.kind != Kind::kFragments) return add(RTE_FLOW_ITEM_TYPE_IPV4, &v4_.spec, &v4_.mask);
  // Any offset, or more to come: the form in which drivers know "a fragment".
  constexpr std::uint16_t kAny = RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK;
  v4_.last.hdr.dst_addr = v4_.spec.hdr.dst_addr;
  v4_.spec.hdr.fragment_offset = Be16::from_host(1).wire();
  v4_.last.hdr.fragment_offset = Be16::from_host(kAny).wire();
  v4_.mask.hdr.fragment_offset = Be16::from_host(kAny).wire();
  add(RTE_FLOW_ITEM_TYPE_IPV4, &v4_.spec, &v4_.mask, &v4_.last);
}

void FlowPattern::add_ipv6(const FlowRule& rule) noexcept {
  std::memcpy(v6_.spec.hdr.dst_addr, rule.address.data(), rule.address.size());
  std::memset(v6_.mask.hdr.dst_addr, 0xff, sizeof v6_.mask.hdr.dst_addr);
  if (rule.kind == Kind::kIcmp) {
    v6_.spec.hdr.proto = icmp_of(6);
    v6_.mask.hdr.proto = 0xff;
  }
  if (rule.kind == Kind::kFragments) {
    v6_.spec.has_frag_ext = 1;
    v6_.mask.has_frag_ext = 1;
  }
  add(RTE_FLOW_ITEM_TYPE_IPV6, &v6_.spec, &v6_.mask);
}

// FlowRules

FlowRules::FlowRules(const Settings& settings, const FlowApi& api)
    : settings_(settings), api_(api), queues_(settings.queues) {
  for (std::uint16_t q = 0; q < settings.queues; ++q) queues_[q] = q;
}

Result<std::unique_ptr<FlowRules>> FlowRules::open(const Settings& settings, const FlowApi& api) {
  std::unique_ptr<FlowRules> rules(new FlowRules(settings, api));
  auto tried = rules->try_each(FlowGrain::kPort);
  if (!tried) {
    rules->grain_ = FlowGrain::kAddress;
    tried = rules->try_each(FlowGrain::kAddress);
  }
  if (!tried) return forward_error(tried);
  return rules;
}

FlowRules::~FlowRules() { keep_only({}); }

Result<void> FlowRules::try_each(FlowGrain grain) {
  const auto rules = one_of_each(grain);
  auto added = add_missing(rules);
  keep_only({});
  if (!added) added.error().code = Errc::kUnsupported;
  return added;
}

Result<rte_flow*> FlowRules::create(const FlowRule& rule) {
  const FlowPattern pattern(rule);
  rte_flow_attr attributes{};
  attributes.ingress = 1;
  attributes.priority = rule.kind == Kind::kAll ? kLastPriority : kFirstPriority;
  rte_flow_action_rss rss{};
  rss.types = settings_.rss_types;
  rss.queue_num = static_cast<std::uint32_t>(queues_.size());
  rss.queue = queues_.data();
  const rte_flow_action_queue one{.index = 0};
  std::array<rte_flow_action, 2> actions{};
  if (queues_.size() == 1)
    actions[0] = {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &one};
  else
    actions[0] = {.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss};
  actions[1].type = RTE_FLOW_ACTION_TYPE_END;
  rte_flow_error why{};
  rte_flow* made = api_.create(settings_.port, &attributes, pattern.items(), actions.data(), &why);
  if (made != nullptr) return made;
  return fail(Errc::kExhausted, "flow rules", "the device takes no more: {}",
              why.message != nullptr ? why.message : rte_strerror(rte_errno));
}

Result<void> FlowRules::add_missing(std::span<const FlowRule> wanted) {
  for (const auto& rule : wanted) {
    if (installed_.contains(rule)) continue;
    auto made = create(rule);
    if (!made) return forward_error(made);
    installed_.emplace(rule, *made);
  }
  return {};
}

void FlowRules::keep_only(std::span<const FlowRule> wanted) {
  std::erase_if(installed_, [&](const auto& one) {
    if (std::ranges::binary_search(wanted, one.first)) return false;
    rte_flow_error why{};
    // One that the device does not give up stays known, and is tried again with the next table.
    return api_.destroy(settings_.port, one.second, &why) == 0;
  });
}

Result<void> FlowRules::apply(const snapshot::Input& input) {
  const auto wanted = flow_rules_of(input, grain_);
  if (wanted.size() > kMost)
    return take_all({Errc::kExhausted, "flow rules",
                     fmt::format("{} would be needed, and {} is the most", wanted.size(), kMost)});
  if (auto added = add_missing(wanted); !added) return take_all(added.error());
  keep_only(wanted);
  takes_all_ = false;
  return {};
}

Result<void> FlowRules::take_all(const Error& reason) {
  const std::array all{FlowRule{}};
  if (auto added = add_missing(all); !added)
    return fail(Errc::kIo, reason.where, "{}; nor could everything be brought to the workers ({})",
                reason.message, added.error().message);
  keep_only(all);
  takes_all_ = true;
  return tl::unexpected(reason);
}

}  // namespace sluice::dataplane
