// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat_arrivals.hpp"

#include "dataplane/read_ahead.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>

namespace sluice::dataplane {
namespace {

/// Two lines for the readers to load while the flow cache is not asked.
std::array<flow::Line, 2> no_lines{};
const flow::Cache kNoCache(no_lines);

Whose whose(const Target& target, bool v4, const snapshot::Snapshot& now) noexcept {
  FlowKey key{};
  std::ranges::copy(target.address, key.destination);
  key.destination_port = target.port;
  key.protocol = target.protocol;
  key.family = v4 ? 4 : 6;
  const snapshot::Service* service = now.find(key);
  if (service == nullptr) return {.back = now.nat.is_return(key)};
  return {.service = service->short_way || service->rules != nullptr ? nullptr : service};
}

}  // namespace

Whose whose_first(const Burst& b, const snapshot::Snapshot& now) noexcept {
  if (b.size == 0) return {};
  const rte_mbuf& m = *b.packet[0];
  if (m.data_len < kPlainBytes4 || m.data_len != m.pkt_len) return {};
  const auto* frame = rte_pktmbuf_mtod(&m, const std::byte*);
  const auto type = wire::load<Be16>(frame + offsetof(wire::Ethernet, type));
  const bool v4 = type != Be16::from_host(wire::kEtherIpv6);
  if (!v4 && m.data_len < kPlainBytes6) return {};
  return whose(target_of(frame, v4), v4, now);
}

NatArrivals::NatArrivals(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept
    : b_(b), now_(now), state_(state), first_(whose_first(b, now)) {
  // With the secret that the first packet is looked up by, which mostly is that of all.
  if (first_.back)
    read_plain(b, state.nat.table().secret(), kNoCache, state.readers);
  else
    read_plain(b, now.hash_key, state.flows, state.readers);
  all = b.plain.all;
  left = unread = all & (~b.plain.headers.plain | b.plain.headers.syn);
  if (left != all) tell_whose();
}

/// Services of clients' packets, and which packets are backends'. What has the target or the NAT
/// address of the packet before it needs no look-up.
void NatArrivals::tell_whose() noexcept {
  const PlainBurst& p = b_.plain;
  const std::uint32_t like = p.headers.like & ~left;
  std::fill_n(b_.service.begin(), b_.size, first_.service);
  if (first_.back)
    back |= like;
  else if (first_.service == nullptr)
    left |= like;
  Target last = p.like;
  bool last_v4 = !p.first_v6;
  Whose of = first_;
  each_bit(all & ~left & ~like, [&](std::uint16_t i) {
    const bool v4 = is_v4(i);
    const Target target = target_of(p.frames.at[i], v4);
    const bool same = v4 == last_v4 && target.address == last.address;
    if (!same || (!of.back && (target.port != last.port || target.protocol != last.protocol))) {
      of = whose(target, v4, now_);
      last = target;
      last_v4 = v4;
    }
    b_.service[i] = of.service;
    if (of.back)
      back |= bit_of(i);
    else if (of.service == nullptr)
      left |= bit_of(i);
  });
}

}  // namespace sluice::dataplane
