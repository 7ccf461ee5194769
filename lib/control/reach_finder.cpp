// SPDX-License-Identifier: Apache-2.0
#include "control/reach_finder.hpp"

#include <algorithm>

namespace sluice::control {
namespace {

constexpr std::chrono::milliseconds kFirstAnswer{50};  // many times what a live neighbour takes

}  // namespace

Reach reach_of(const netlink::NextHop& hop, const std::vector<EgressPort>& ports) {
  Reach reach{
      .hop = std::nullopt, .configured = false, .on_link = hop.on_link, .problem = hop.problem};
  const auto port = std::ranges::find_if(ports, [&](const EgressPort& p) {
    return !p.interface.empty() && p.interface == hop.interface;
  });
  if (!hop.interface.empty() && port == ports.end()) {
    reach.problem = fmt::format(
        "its route leaves by interface {}, which is no port of this node; add a "
        "route by a port's interface, or name it in /neighbours",
        hop.interface);
  } else if (hop.ready()) {
    // The narrowest of port, interface and route: the kernel knows of a tunnel on the way.
    const auto mtu = hop.mtu == 0 ? port->mtu : std::min<std::uint32_t>(port->mtu, hop.mtu);
    reach.hop = snapshot::Hop{static_cast<std::uint16_t>(port - ports.begin()), hop.mac, port->mac,
                              static_cast<std::uint16_t>(mtu)};
  }
  return reach;
}

Result<std::unique_ptr<ReachFinder>> ReachFinder::open(EventLoop& loop,
                                                       std::function<void()> changed) {
  auto hops = netlink::NextHops::open(loop);
  if (!hops) return forward_error(hops);
  (*hops)->set_on_change(std::move(changed));
  return std::unique_ptr<ReachFinder>(new ReachFinder(std::move(*hops)));
}

Reaches ReachFinder::find(std::span<const IpAddress> addresses,
                          const std::vector<EgressPort>& ports) {
  hops_->want(addresses);
  std::vector<IpAddress> fresh;
  for (const auto& address : addresses)
    if (!last_.contains(address)) fresh.push_back(address);
  hops_->settle(fresh, kFirstAnswer);
  Reaches reaches;
  for (const auto& address : addresses) {
    auto reach = reach_of(hops_->lookup(address), ports);
    if (const auto before = last_.find(address); before == last_.end() || before->second != reach)
      news_.push_back(reach.hop
                          ? fmt::format("{} by port {} at {}", address.text(),
                                        ports[reach.hop->port].name, reach.hop->destination.text())
                          : fmt::format("{} is out of reach: {}", address.text(), reach.problem));
    reaches.emplace(address, std::move(reach));
  }
  last_ = reaches;
  return reaches;
}

}  // namespace sluice::control
