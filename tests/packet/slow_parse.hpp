// SPDX-License-Identifier: Apache-2.0
// The doc comment of parse_frame() written out a second time, byte by byte and with no eye on
// speed: what the parser is compared with in unit tests and under the fuzzer.
//
// Threads: pure functions.
#pragma once

#include "packet/parse.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::test {

/// What parse_frame() must make of `frame`; likewise fills `out`.
inline Verdict slow_parse(std::span<const std::byte> frame, std::size_t length, Parsed& out) {
  out = {};
  const auto has = [&](std::size_t end) { return frame.size() >= end; };
  const auto u8 = [&](std::size_t at) { return std::to_integer<std::uint32_t>(frame[at]); };
  const auto u16 = [&](std::size_t at) { return u8(at) << 8 | u8(at + 1); };
  const auto memory32 = [&](std::size_t at) {  // the value whose bytes in memory are the packet's
    return u8(at + 3) << 24 | u8(at + 2) << 16 | u8(at + 1) << 8 | u8(at);
  };
  const auto memory16 = [&](std::size_t at) {
    return static_cast<std::uint16_t>(u8(at + 1) << 8 | u8(at));
  };

  if (!has(14)) return Verdict::kTruncated;
  std::size_t type_at = 12;
  while (u16(type_at) == 0x8100 || u16(type_at) == 0x88a8) {
    if (type_at == 20) return Verdict::kHost;
    if (!has(type_at + 6)) return Verdict::kTruncated;
    type_at += 4;
  }
  if (u16(type_at) != 0x0800) return Verdict::kHost;
  const std::size_t ip = type_at + 2;
  if (!has(ip + 20)) return Verdict::kTruncated;

  out.key.family = 4;
  out.key.protocol = static_cast<std::uint8_t>(u8(ip + 9));
  out.key.source[0] = memory32(ip + 12);
  out.key.destination[0] = memory32(ip + 16);
  out.l3_offset = static_cast<std::uint16_t>(ip);
  out.l3_length = static_cast<std::uint16_t>(u16(ip + 2));
  out.tos = static_cast<std::uint8_t>(u8(ip + 1));
  out.ttl = static_cast<std::uint8_t>(u8(ip + 8));
  out.dont_fragment = (u8(ip + 6) & 0x40U) != 0;

  const std::size_t l4 = ip + u8(ip) % 16 * 4;
  const std::size_t end = ip + u16(ip + 2);
  if (u8(ip) / 16 != 4 || l4 < ip + 20 || end < l4 || end > length) return Verdict::kMalformed;
  if (!has(l4)) return Verdict::kTruncated;
  const bool tcp = out.key.protocol == 6;
  if (!tcp && out.key.protocol != 17) return Verdict::kHost;
  if (u16(ip + 6) % 0x4000 != 0) return Verdict::kFragment;
  const std::size_t least = l4 + (tcp ? 20 : 8);
  if (end < least) return Verdict::kMalformed;
  if (!has(least)) return Verdict::kTruncated;
  if (tcp) {
    const std::size_t data = l4 + u8(l4 + 12) / 16 * 4;
    if (data < least || data > end) return Verdict::kMalformed;
    if (!has(data)) return Verdict::kTruncated;
    out.tcp_flags = static_cast<std::uint8_t>(u8(l4 + 13));
  } else {
    if (u16(l4 + 4) < 8 || l4 + u16(l4 + 4) > end) return Verdict::kMalformed;
  }
  out.key.source_port = memory16(l4);
  out.key.destination_port = memory16(l4 + 2);
  return Verdict::kForward;
}

}  // namespace sluice::test
