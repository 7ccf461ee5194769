// SPDX-License-Identifier: Apache-2.0
// What parse_frame() meets seldom: extension headers, fragments, ICMP.
#include "packet/parse.hpp"

#include <algorithm>
#include <iterator>

namespace sluice::detail {
namespace {

using wire::load;

Rest behind(const Rest& rest, std::size_t bytes) noexcept {
  return {rest.at + bytes, rest.packet - bytes, rest.here - bytes};
}

/// kForward when so many bytes are in the packet and in the frame.
Verdict holds(const Rest& rest, std::size_t bytes) noexcept {
  if (rest.packet < bytes) return Verdict::kMalformed;
  return rest.here < bytes ? Verdict::kTruncated : Verdict::kForward;
}

/// The end of a chain of IPv6 headers.
struct Chain {
  Rest rest;
  std::uint8_t protocol;
  bool fragmented = false;
  bool later = false;  ///< A fragment that is not the first.
  std::uint32_t id = 0;
};

bool is_options(std::uint8_t header) noexcept {
  return header == wire::kIpHopByHop || header == wire::kIpDestinationOptions ||
         header == wire::kIpRouting;
}

Verdict step_over_fragment(Chain& chain) noexcept {
  const auto fragment = load<wire::Ipv6Fragment>(chain.rest.at);
  const std::uint16_t offset = fragment.offset.to_host();
  chain.protocol = fragment.next_header;
  chain.rest = behind(chain.rest, sizeof fragment);
  if ((offset & 0xfff9U) == 0) return Verdict::kForward;  // an atomic fragment (RFC 6946)
  chain.fragmented = true;
  chain.later = offset >> 3U != 0;
  chain.id = fragment.id.to_host();
  return Verdict::kForward;
}

/// Walks to the transport header, at most kMostExtensions headers; kHost for a header it does not
/// know how to step over, as Linux may.
Verdict walk(Chain& chain) noexcept {
  for (unsigned seen = 0; seen < kMostExtensions; ++seen) {
    const bool fragment = chain.protocol == wire::kIpFragment;
    if (!fragment && !is_options(chain.protocol)) return Verdict::kForward;
    if (const Verdict v = holds(chain.rest, 8); v != Verdict::kForward) return v;
    if (fragment) {
      if (chain.fragmented) return Verdict::kHost;  // a second one
      if (const Verdict v = step_over_fragment(chain); v != Verdict::kForward || chain.later)
        return v;
      continue;
    }
    const auto next = load<std::uint8_t>(chain.rest.at);
    const std::size_t length = (load<std::uint8_t>(chain.rest.at + 1) + std::size_t{1}) * 8;
    // A route that goes on: this node is a stop on the way, not the destination.
    if (chain.protocol == wire::kIpRouting && load<std::uint8_t>(chain.rest.at + 3) != 0)
      return Verdict::kHost;
    if (const Verdict v = holds(chain.rest, length); v != Verdict::kForward) return v;
    chain.protocol = next;
    chain.rest = behind(chain.rest, length);
  }
  return is_options(chain.protocol) || chain.protocol == wire::kIpFragment ? Verdict::kHost
                                                                           : Verdict::kForward;
}

bool has_ports(std::uint8_t protocol) noexcept {
  return protocol == wire::kIpProtoTcp || protocol == wire::kIpProtoUdp;
}

/// Takes the flow of the packet that an ICMP error quotes, turned round.
/// @param quote  begins at the quoted IP header.
Verdict parse_quote(const Rest& quote, Parsed& out) noexcept {
  const bool v4 = out.key.family == 4;
  const std::size_t fixed = v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  if (const Verdict v = holds(quote, fixed); v != Verdict::kForward) return v;
  FlowKey turned{};
  turned.family = out.key.family;
  Chain chain{};
  const auto version = load<std::uint8_t>(quote.at);
  if (v4) {
    const std::size_t header = (version & 0x0fU) * 4U;
    if (version >> 4U != 4 || header < fixed) return Verdict::kMalformed;
    if (const Verdict v = holds(quote, header); v != Verdict::kForward) return v;
    turned.destination[0] = load<std::uint32_t>(quote.at + offsetof(wire::Ipv4, source));
    turned.source[0] = load<std::uint32_t>(quote.at + offsetof(wire::Ipv4, destination));
    const std::uint16_t fragment = load<Be16>(quote.at + offsetof(wire::Ipv4, fragment)).to_host();
    chain = {.rest = behind(quote, header),
             .protocol = load<std::uint8_t>(quote.at + offsetof(wire::Ipv4, protocol)),
             .later = (fragment & wire::kIpOffsetMask) != 0};
  } else {
    if (version >> 4U != 6) return Verdict::kMalformed;
    std::memcpy(turned.destination, quote.at + offsetof(wire::Ipv6, source), 16);
    std::memcpy(turned.source, quote.at + offsetof(wire::Ipv6, destination), 16);
    chain = {.rest = behind(quote, fixed),
             .protocol = load<std::uint8_t>(quote.at + offsetof(wire::Ipv6, next_header))};
    if (const Verdict v = walk(chain); v != Verdict::kForward) return v;
  }
  if (!std::ranges::equal(turned.destination, out.key.destination)) return Verdict::kMalformed;
  if (chain.later || !has_ports(chain.protocol)) return Verdict::kHost;
  if (const Verdict v = holds(chain.rest, 8); v != Verdict::kForward) return v;
  turned.protocol = chain.protocol;
  turned.destination_port = load<std::uint16_t>(chain.rest.at);
  turned.source_port = load<std::uint16_t>(chain.rest.at + 2);
  out.key = turned;
  out.kind = Kind::kIcmpError;
  return Verdict::kForward;
}

bool is_error(bool v4, std::uint8_t type) noexcept {
  if (!v4) return type >= wire::kIcmp6Unreachable && type <= wire::kIcmp6ParameterProblem;
  return type == wire::kIcmpUnreachable || type == wire::kIcmpSourceQuench ||
         type == wire::kIcmpTimeExceeded || type == wire::kIcmpParameterProblem;
}

Verdict parse_icmp(const Rest& icmp, Parsed& out) noexcept {
  if (const Verdict v = holds(icmp, sizeof(wire::Icmp)); v != Verdict::kForward) return v;
  const bool v4 = out.key.family == 4;
  const auto type = load<std::uint8_t>(icmp.at);
  if (type == (v4 ? wire::kIcmpEcho : wire::kIcmp6Echo)) {
    out.kind = Kind::kEcho;
    return Verdict::kForward;
  }
  return is_error(v4, type) ? parse_quote(behind(icmp, sizeof(wire::Icmp)), out) : Verdict::kHost;
}

Verdict parse_fragment(const Rest& l4, bool later, std::uint32_t id, Parsed& out) noexcept {
  // What follows the options only the first fragment tells, which has them.
  const bool behind_options = later && out.key.family == 6 && is_options(out.key.protocol);
  if (!has_ports(out.key.protocol) && !behind_options) return Verdict::kHost;
  if (!later) {
    const Verdict verdict =
        out.key.protocol == wire::kIpProtoTcp ? parse_tcp(l4, true, out) : parse_udp(l4, true, out);
    if (verdict != Verdict::kForward) return verdict;
  } else {
    out.kind = Kind::kLaterFragment;
  }
  out.fragmented = true;
  out.fragment_id = id;
  return Verdict::kForward;
}

/// Fills in all but l4_offset.
Verdict parse_rest(const Chain& chain, Parsed& out) noexcept {
  if (chain.fragmented) return parse_fragment(chain.rest, chain.later, chain.id, out);
  if (out.key.protocol == wire::kIpProtoTcp) return parse_tcp(chain.rest, false, out);
  if (out.key.protocol == wire::kIpProtoUdp) return parse_udp(chain.rest, false, out);
  const auto icmp = out.key.family == 4 ? wire::kIpProtoIcmp : wire::kIpProtoIcmp6;
  return out.key.protocol == icmp ? parse_icmp(chain.rest, out) : Verdict::kHost;
}

}  // namespace

Verdict parse_unusual(const std::byte* frame, const Rest& rest, std::uint16_t ipv4_fragment,
                      Parsed& out) noexcept {
  Chain chain{.rest = rest, .protocol = out.key.protocol};
  if (out.key.family == 6) {
    if (const Verdict v = walk(chain); v != Verdict::kForward) return v;
    out.key.protocol = chain.protocol;
  } else if (ipv4_fragment != 0) {
    chain.fragmented = true;
    chain.later = (ipv4_fragment & wire::kIpOffsetMask) != 0;
    chain.id = load<Be16>(frame + out.l3_offset + offsetof(wire::Ipv4, id)).to_host();
  }
  const Verdict verdict = parse_rest(chain, out);
  if (verdict == Verdict::kForward)
    out.l4_offset = static_cast<std::uint16_t>(chain.rest.at - frame);
  return verdict;
}

}  // namespace sluice::detail
