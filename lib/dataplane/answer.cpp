// SPDX-License-Identifier: Apache-2.0
#include "dataplane/answer.hpp"

#include "packet/icmp.hpp"
#include "packet/reset.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace sluice::dataplane {
namespace {

using MacBytes = std::array<std::byte, 6>;

void turn_macs(std::byte* frame) noexcept {
  const auto destination = wire::load<MacBytes>(frame);
  const auto source = wire::load<MacBytes>(frame + sizeof(MacBytes));
  wire::store(frame, source);
  wire::store(frame + sizeof(MacBytes), destination);
}

void cut_to(rte_mbuf& packet, std::uint16_t bytes) noexcept {
  if (packet.next != nullptr) {
    rte_pktmbuf_free(packet.next);
    packet.next = nullptr;
    packet.nb_segs = 1;
  }
  packet.data_len = bytes;
  packet.pkt_len = bytes;
}

/// A keyed hash of the source alone.
std::uint64_t source_hash(const Parsed& p, const HashKey& secret) noexcept {
  FlowKey source{};
  std::ranges::copy(p.key.source, source.source);
  source.family = p.key.family;
  return flow_hash(source, secret);
}

/// Puts the error's headers before the packet, as much of which stays as an error quotes.
bool write_error(rte_mbuf& packet, const Parsed& p, Problem problem, std::uint16_t mtu) noexcept {
  const auto headers = static_cast<std::uint16_t>(icmp_error_headers(p.key.family));
  const auto here = std::min<std::size_t>(packet.data_len - p.l3_offset, p.l3_length);
  const auto quoted = static_cast<std::uint16_t>(std::min(here, longest_quote(p.key.family)));
  auto* frame = reinterpret_cast<std::byte*>(rte_pktmbuf_prepend(&packet, headers));
  if (frame == nullptr) return false;
  std::memmove(frame, frame + headers, p.l3_offset);
  turn_macs(frame);
  std::byte* ip = frame + p.l3_offset;
  write_icmp_error(ip, {ip + headers, quoted}, p.key.family, problem, mtu);
  cut_to(packet, static_cast<std::uint16_t>(p.l3_offset + headers + quoted));
  return true;
}

/// The longest packet that would have passed: what comes back from a backend leaves by the client's
/// port.
std::uint16_t mtu_towards(const Burst& b, std::uint16_t i, const snapshot::Snapshot& now) noexcept {
  if (now.nat.is_return(b.parsed[i].key)) return now.mtu_of_port(b.egress[i]);
  const snapshot::Backend& to = now.backends[b.backend[i]];
  return static_cast<std::uint16_t>(to.mtu - to.overhead);
}

}  // namespace

void reply_to_echo(rte_mbuf& packet, const Parsed& parsed) noexcept {
  auto* frame = rte_pktmbuf_mtod(&packet, std::byte*);
  turn_macs(frame);
  answer_echo(parsed, frame + parsed.l3_offset);
}

void reply_with_reset(rte_mbuf& packet, const Parsed& parsed) noexcept {
  auto* frame = rte_pktmbuf_mtod(&packet, std::byte*);
  turn_macs(frame);
  const std::size_t bytes = answer_with_reset(parsed, frame + parsed.l3_offset);
  cut_to(packet, static_cast<std::uint16_t>(parsed.l3_offset + bytes));
}

Verdict tell_sender(Burst& b, std::uint16_t i, const snapshot::Snapshot& now,
                    WorkerState& state) noexcept {
  const Parsed& p = b.parsed[i];
  const bool too_big = b.verdict[i] == Verdict::kTooBig;
  if (!may_answer(p) || now.icmp_errors_per_second == 0 ||
      !state.answers.allow(source_hash(p, now.hash_key), state.cycles, state.answer_rate))
    return b.verdict[i];
  const auto mtu = too_big ? mtu_towards(b, i, now) : std::uint16_t{0};
  if (!write_error(*b.packet[i], p, too_big ? Problem::kTooBig : Problem::kTtlExpired, mtu))
    return b.verdict[i];
  return too_big ? Verdict::kAnsweredTooBig : Verdict::kAnsweredTtlExpired;
}

}  // namespace sluice::dataplane
