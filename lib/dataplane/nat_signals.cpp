// SPDX-License-Identifier: Apache-2.0
#include "dataplane/nat_signals.hpp"

namespace sluice::dataplane {
namespace {

using flow::NatSession;
using flow::NatState;

std::uint32_t sequence_of(const std::byte* tcp) noexcept {
  return wire::load<Be32>(tcp + offsetof(wire::Tcp, sequence)).to_host();
}

std::uint64_t hash_of(const NatSession& s, const snapshot::Snapshot& now) noexcept {
  return flow_hash(flow::nat_key(s, flow::NatSide::kClient), now.hash_key);
}

/// Whether an ICMP error says that the packet did not arrive, for another reason than its length.
bool is_unreachable(const Parsed& p, const std::byte* icmp) noexcept {
  const auto type = wire::load<std::uint8_t>(icmp + offsetof(wire::Icmp, type));
  if (p.key.family == 6) return type == wire::kIcmp6Unreachable;
  return type == wire::kIcmpUnreachable &&
         wire::load<std::uint8_t>(icmp + offsetof(wire::Icmp, code)) !=
             wire::kIcmpFragmentationNeeded;
}

}  // namespace

void note_client(NatSession& s, const Parsed& p, const std::byte* l4, std::uint64_t hash,
                 std::uint64_t cycles, Signals& signals) noexcept {
  if (p.key.protocol == wire::kIpProtoTcp && s.is_embryonic()) {
    const bool opens = (p.tcp_flags & (wire::kTcpSyn | wire::kTcpAck)) == wire::kTcpSyn;
    // Of the first SYN the session does not know the number yet.
    if (opens && s.state == NatState::kNew && s.client_isn == sequence_of(l4) &&
        (s.flags & flow::kNatSilent) == 0) {
      s.flags |= flow::kNatSilent;
      signals.kept_silent(s.backend);
    }
    if (opens) return;
  }
  if ((s.flags & flow::kNatAsked) != 0 || !has_data(p, l4)) return;
  s.flags |= flow::kNatAsked;
  signals.requested(hash, s.backend, cycles);
}

void note_backend(NatSession& s, const Parsed& p, const std::byte* l4,
                  const snapshot::Snapshot& now, std::uint64_t cycles, Signals& signals) noexcept {
  if (p.kind == Kind::kIcmpError) {
    if (is_unreachable(p, l4)) signals.was_unreachable(s.backend);
    return;
  }
  if (p.kind != Kind::kFlow) return;
  if ((p.tcp_flags & wire::kTcpRst) != 0) {
    if (s.is_embryonic())
      signals.refused(s.backend);
    else if (s.state != NatState::kClosing)
      signals.aborted(s.backend);
    return;
  }
  if ((p.tcp_flags & wire::kTcpSyn) != 0) {
    if (s.state == NatState::kNew)
      signals.accepted(hash_of(s, now), s.backend, s.client_isn, cycles);
    return;
  }
  if ((s.flags & (flow::kNatAsked | flow::kNatResponded)) != flow::kNatAsked || !has_data(p, l4))
    return;
  s.flags |= flow::kNatResponded;
  signals.responded(hash_of(s, now), s.backend, cycles);
}

}  // namespace sluice::dataplane
