// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame, whole and split over two segments. The parser must agree with the slow
// version of its contract; the hash and the checksum must take whatever it lets through.
//
// Input: two bytes that choose where the first segment ends, then the frame.
#include "packet/checksum.hpp"
#include "packet/parse.hpp"
#include "packet/slow_parse.hpp"
#include "support/dissect.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

namespace {

using namespace sluice;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Parses the first `size` bytes of `packet`, copied to a heap block of that very size so that the
/// address sanitizer sees a read beyond them.
void parse(std::span<const std::byte> packet, std::size_t size) {
  const auto block = std::make_unique<std::byte[]>(size);
  std::ranges::copy(packet.first(size), block.get());
  const std::span<const std::byte> frame(block.get(), size);
  Parsed fast;
  Parsed slow;
  std::memset(&fast, 0xa5, sizeof fast);
  const auto verdict = parse_frame(frame, packet.size(), fast);
  require(verdict == test::slow_parse(frame, packet.size(), slow));
  require(std::memcmp(&fast, &slow, sizeof fast) == 0);

  require(fast.key.family == 4 ||
          (fast.key.family == 0 && verdict != Verdict::kForward && verdict != Verdict::kMalformed &&
           verdict != Verdict::kFragment));
  if (fast.key.family == 4) require(fast.l3_offset + sizeof(wire::Ipv4) <= size);
  if (verdict == Verdict::kForward || verdict == Verdict::kFragment) {
    require(fast.l3_offset + std::size_t{fast.l3_length} <= packet.size());
    require(fast.key.protocol == wire::kIpProtoTcp || fast.key.protocol == wire::kIpProtoUdp);
    const auto hash = flow_hash(fast.key, default_hash_key());
    require(hash == flow_hash(slow.key, default_hash_key()));
    const auto l3 = frame.subspan(fast.l3_offset);
    require(checksum(l3).to_host() == test::slow_checksum(l3));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto packet = std::as_bytes(std::span(data, size).subspan(2));
  const std::size_t split = (std::size_t{data[0]} << 8 | data[1]) % (packet.size() + 1);
  parse(packet, packet.size());
  parse(packet, split);
  parse(packet.first(split), split);
  return 0;
}
