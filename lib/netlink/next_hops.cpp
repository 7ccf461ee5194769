// SPDX-License-Identifier: Apache-2.0
#include "netlink/next_hops.hpp"

#include "base/log.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::netlink {
namespace {

using namespace std::chrono_literals;

constexpr int kDatagramsPerTurn = 128;
constexpr auto kTick = 1s;
constexpr auto kProbeAgain = 5s;    // one that failed or went stale
constexpr auto kProbeMissing = 1s;  // one whose entry was taken away
constexpr auto kScanAtLeast = 30s;  // redirects and timeouts change routes without any news

constexpr unsigned kUsable =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

std::pair<HopState, std::string_view> state_of_refusal(int error) {
  switch (error) {
    case EINVAL:
      return {HopState::kBlackhole, "a blackhole route drops it"};
    case EHOSTUNREACH:
      return {HopState::kRefused, "an unreachable route refuses it"};
    case EACCES:
      return {HopState::kRefused, "a prohibit route refuses it"};
    case ENETUNREACH:
      return {HopState::kNoRoute, "no route leads there"};
    default:
      return {HopState::kNoRoute, ""};
  }
}

/// Of the types that the kernel answers with; unicast is dealt with before.
std::pair<HopState, std::string_view> state_of_type(unsigned type) {
  switch (type) {
    case RTN_LOCAL:
      return {HopState::kLocal, "it is an address of this node"};
    case RTN_BLACKHOLE:
      return {HopState::kBlackhole, "a blackhole route drops it"};
    case RTN_UNREACHABLE:
      return {HopState::kRefused, "an unreachable route refuses it"};
    case RTN_PROHIBIT:
      return {HopState::kRefused, "a prohibit route refuses it"};
    default:
      return {HopState::kNotUnicast, "it is a broadcast or multicast address"};
  }
}

/// 0 is not known.
std::uint32_t least_mtu(std::uint32_t a, std::uint32_t b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

/// A MAC that a frame can be sent to. Interfaces without ARP give their own address for all.
bool usable(const Neighbour& neighbour, const Link& link) {
  return (neighbour.state & kUsable) != 0 && neighbour.mac && !neighbour.mac->is_zero() &&
         !neighbour.mac->is_multicast() &&
         !((neighbour.state & NUD_NOARP) != 0 && *neighbour.mac == link.mac);
}

}  // namespace

NextHops::NextHops(EventLoop& loop, Socket news, Socket questions) noexcept
    : loop_(loop), news_(std::move(news)), questions_(std::move(questions)) {}

Result<std::unique_ptr<NextHops>> NextHops::open(EventLoop& loop) {
  constexpr std::array<unsigned, 9> kGroups{
      RTNLGRP_LINK,       RTNLGRP_NEIGH,       RTNLGRP_NEXTHOP,
      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_RULE,
      RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_RULE};
  auto news = Socket::open(kGroups);  // before the first question, or a change is missed
  if (!news) return forward_error(news);
  auto questions = Socket::open({});
  if (!questions) return forward_error(questions);
  std::unique_ptr<NextHops> made(new NextHops(loop, std::move(*news), std::move(*questions)));
  made->resync();
  NextHops* const self = made.get();
  if (auto ok = loop.add(self->news_.fd(), EPOLLIN, [self](std::uint32_t) { self->hear(); }); !ok)
    return forward_error(ok);
  self->tick_ = loop.every(kTick, [self] { self->tick(); });
  return made;
}

NextHops::~NextHops() {
  *self_ = nullptr;
  loop_.cancel(tick_);
  loop_.cancel(scan_timer_);
  loop_.remove(news_.fd());
}

void NextHops::want(std::span<const IpAddress> addresses) {
  std::map<IpAddress, Wanted> wanted;
  for (const auto& address : addresses) {
    if (auto known = wanted_.extract(address)) {
      wanted.insert(std::move(known));
    } else if (const auto [made, is_new] = wanted.try_emplace(address); is_new) {
      ask_route(address, made->second);
    }
  }
  wanted_ = std::move(wanted);
  update_targets();
  if (evaluate_all()) {  // of those known before: news that was heard in this turn
    unnoticed_ = true;
    refresh_soon();
  }
}

NextHop NextHops::lookup(const IpAddress& address) const {
  const auto found = wanted_.find(address);
  if (found != wanted_.end()) return found->second.answer;
  NextHop unknown;
  unknown.problem = fmt::format("{} is not followed", address.text());
  return unknown;
}

void NextHops::settle(std::span<const IpAddress> addresses, std::chrono::milliseconds at_most) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  const auto resolving = [&](const IpAddress& address) {
    return lookup(address).state == HopState::kResolving;
  };
  while (std::ranges::any_of(addresses, resolving)) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd news{.fd = news_.fd(), .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&news, 1, static_cast<int>(left.count())) <= 0) return;
    hear();
    if (evaluate_all()) {
      unnoticed_ = true;
      refresh_soon();
    }
  }
}

void NextHops::hear() {
  const auto take_one = [this](const Message& message) { take(message); };
  for (int i = 0; i < kDatagramsPerTurn; ++i) {
    const auto news = news_.hear(take_one);
    if (news == Socket::News::kNone) return;
    if (news == Socket::News::kLost) {
      lost_ = true;
      refresh_soon();
    }
  }
}

void NextHops::take(const Message& message) {
  if (const auto* const link = std::get_if<Link>(&message.content)) {
    take_link(*link);
  } else if (const auto* const neighbour = std::get_if<Neighbour>(&message.content)) {
    take_neighbour(*neighbour);
  } else if (std::holds_alternative<Route>(message.content) ||
             std::holds_alternative<Assigned>(message.content) ||
             std::holds_alternative<RoutesChanged>(message.content)) {
    routes_changed_ = true;
    refresh_soon();
  }
}

void NextHops::take_link(const Link& link) {
  const auto before = links_.find(link.index);
  const bool worked = before != links_.end() && before->second.up && before->second.carrier;
  if (link.gone)
    links_.erase(link.index);
  else
    links_[link.index] = link;
  if (!worked && link.up && link.carrier)  // what failed while it was down is asked for again
    for (auto at = targets_.lower_bound({link.index, {}});
         at != targets_.end() && at->first.first == link.index; ++at)
      at->second = Target{};
  routes_changed_ = true;
  refresh_soon();
}

void NextHops::take_neighbour(const Neighbour& neighbour) {
  const Key key{neighbour.interface_index, neighbour.address};
  if (neighbour.gone)
    neighbours_.erase(key);
  else
    neighbours_[key] = neighbour;
  if (targets_.contains(key)) refresh_soon();
}

void NextHops::refresh_soon() {
  if (refresh_asked_) return;
  refresh_asked_ = true;
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->refresh();
  });
}

void NextHops::refresh() {
  refresh_asked_ = false;
  if (lost_ || routes_changed_) {
    if (loop_.now() >= next_scan_) {
      ask_again();
    } else if (scan_timer_ == EventLoop::TimerId::kNone) {
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next_scan_ - loop_.now());
      scan_timer_ = loop_.after(wait, [this] {
        scan_timer_ = EventLoop::TimerId::kNone;
        refresh();
      });
    }
  }
  update_targets();
  unnoticed_ |= evaluate_all();
  if (std::exchange(unnoticed_, false) && changed_) {
    ++counts_.notices;
    changed_();
  }
}

void NextHops::ask_again() {
  const auto began = loop_.now();
  if (lost_) resync();
  if (routes_changed_) scan_routes();
  // A routing daemon that keeps changing routes must not keep this thread busy with ours.
  next_scan_ = loop_.now() + 4 * (loop_.now() - began);
}

void NextHops::resync() {
  ++counts_.resyncs;
  lost_ = false;
  std::map<int, Link> links;
  std::map<Key, Neighbour> neighbours;
  const auto ask = [&](const Request& request) {
    bool whole = true;
    const auto asked = questions_.ask(request, [&](const Message& message) {
      whole = whole && !message.interrupted;
      if (const auto* const link = std::get_if<Link>(&message.content)) links[link->index] = *link;
      if (const auto* const neighbour = std::get_if<Neighbour>(&message.content))
        neighbours[{neighbour->interface_index, neighbour->address}] = *neighbour;
    });
    if (!asked) log("control")->warn("next_hops_resync_failed {}", asked.error().text());
    lost_ = lost_ || !asked || !whole;  // tried again at the next tick
  };
  ask(Request::dump_links());
  ask(Request::dump_neighbours());
  std::erase_if(links_, [&](const auto& known) { return !links.contains(known.first); });
  for (const auto& [index, link] : links) take_link(link);
  neighbours_ = std::move(neighbours);
  routes_changed_ = true;
}

void NextHops::scan_routes() {
  ++counts_.route_scans;
  routes_changed_ = false;
  last_scan_ = loop_.now();
  for (auto& [address, wanted] : wanted_) ask_route(address, wanted);
}

void NextHops::ask_route(const IpAddress& address, Wanted& wanted) {
  wanted.route = {};
  wanted.refusal = 0;
  wanted.failure.clear();
  const auto asked = questions_.ask(
      Request::route_to(address),
      [&](const Message& message) {
        if (const auto* const route = std::get_if<Route>(&message.content)) wanted.route = *route;
      },
      &wanted.refusal);
  if (!asked) {
    wanted.failure = asked.error().message;
    routes_changed_ = true;  // tried again at the next tick
  }
}

NextHops::Key NextHops::key_of(const IpAddress& address, const Route& route) {
  return {route.interface_index, route.gateway.value_or(address)};
}

void NextHops::update_targets() {
  std::map<Key, Target> targets;
  for (const auto& [address, wanted] : wanted_) {
    if (wanted.route.type != RTN_UNICAST || wanted.route.interface_index == 0) continue;
    const Key key = key_of(address, wanted.route);
    if (auto known = targets_.extract(key)) {
      targets.insert(std::move(known));
    } else {
      targets.try_emplace(key);
    }
  }
  targets_ = std::move(targets);
  for (auto& [key, target] : targets_) probe(key, target);
}

// The kernel does the asking and the keeping alive; it only has to be told that somebody cares, as
// frames from the workers do not pass it.
void NextHops::probe(const Key& key, Target& target) {
  const auto link = links_.find(key.first);
  if (link == links_.end() || !link->second.up || !link->second.carrier || !link->second.arp ||
      !link->second.ethernet)
    return;
  auto again = kProbeMissing;
  if (const auto entry = neighbours_.find(key); entry != neighbours_.end()) {
    const auto& neighbour = entry->second;
    if (usable(neighbour, link->second)) target.failed = target.no_room = false;
    if ((neighbour.state & NUD_FAILED) != 0) target.failed = true;
    if (neighbour.kept_by_other) return;
    if (neighbour.state != NUD_NONE && (neighbour.state & (NUD_FAILED | NUD_STALE)) == 0) return;
    again = kProbeAgain;
  }
  const auto now = loop_.now();
  if (target.probed != EventLoop::Clock::time_point{} && now < target.probed + again) return;
  target.probed = now;
  ++counts_.probes;
  int refusal = 0;
  const auto asked = questions_.ask(
      Request::use_neighbour(key.first, key.second), [](const Message&) {}, &refusal);
  target.no_room = asked && refusal == ENOBUFS;
}

void NextHops::tick() {
  if (loop_.now() - last_scan_ >= kScanAtLeast) routes_changed_ = true;
  refresh();
}

bool NextHops::evaluate_all() {
  bool changed = false;
  for (auto& [address, wanted] : wanted_) {
    NextHop answer = evaluate(address, wanted);
    const bool first = !std::exchange(wanted.evaluated, true);
    if (answer == wanted.answer) continue;
    wanted.answer = std::move(answer);
    changed = changed || !first;
  }
  return changed;
}

NextHop NextHops::evaluate(const IpAddress& address, const Wanted& wanted) const {
  NextHop hop;
  hop.gateway = address;
  const auto give_up = [&](HopState state, std::string_view why) {
    hop.state = state;
    hop.problem = fmt::format("{}: {}", address.text(), why);
    return hop;
  };
  if (!wanted.failure.empty()) return give_up(HopState::kUnknown, wanted.failure);
  if (wanted.refusal != 0) {
    const auto [state, why] = state_of_refusal(wanted.refusal);
    return give_up(state, why.empty() ? std::strerror(wanted.refusal) : why);
  }
  hop.interface_index = wanted.route.interface_index;
  const auto link = links_.find(hop.interface_index);
  if (link != links_.end()) hop.interface = link->second.name;
  if (wanted.route.type != RTN_UNICAST) {
    const auto [state, why] = state_of_type(wanted.route.type);
    return give_up(state, why);
  }
  hop.on_link = !wanted.route.gateway;
  hop.gateway = wanted.route.gateway.value_or(address);
  if (link == links_.end()) return give_up(HopState::kLinkDown, "its interface is gone");
  hop.mtu = least_mtu(wanted.route.mtu, link->second.mtu);
  return reach_neighbour(std::move(hop), link->second);
}

NextHop NextHops::reach_neighbour(NextHop hop, const Link& link) const {
  const auto give_up = [&](HopState state, std::string why) {
    hop.state = state;
    hop.problem = std::move(why);
    return hop;
  };
  if (!link.up || !link.carrier)
    return give_up(HopState::kLinkDown, fmt::format("interface {} {}", link.name,
                                                    link.up ? "has no carrier" : "is down"));
  const std::string_view protocol = hop.gateway.is_v4() ? "ARP" : "neighbour discovery";
  const Key key{hop.interface_index, hop.gateway};
  const auto entry = neighbours_.find(key);
  if (link.ethernet && entry != neighbours_.end() && usable(entry->second, link)) {
    hop.state = HopState::kReady;
    hop.mac = *entry->second.mac;
    return hop;
  }
  if (!link.ethernet || !link.arp)
    return give_up(HopState::kNoLinkAddress,
                   fmt::format("interface {} {}", link.name,
                               link.ethernet ? fmt::format("does not use {}", protocol)
                                             : "has no MAC addresses"));
  const auto target = targets_.find(key);
  const bool known = target != targets_.end();
  if (known && target->second.no_room)
    return give_up(HopState::kTableFull, fmt::format("the kernel's neighbour table is full; raise "
                                                     "net.{}.neigh.default.gc_thresh3",
                                                     hop.gateway.is_v4() ? "ipv4" : "ipv6"));
  if (known && target->second.failed)
    return give_up(HopState::kNoAnswer, fmt::format("{} does not answer {} on {}",
                                                    hop.gateway.text(), protocol, link.name));
  return give_up(HopState::kResolving,
                 fmt::format("{} is being resolved on {}", hop.gateway.text(), link.name));
}

}  // namespace sluice::netlink
