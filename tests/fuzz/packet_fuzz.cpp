// SPDX-License-Identifier: Apache-2.0
// Packets of every kind, built right and then damaged: through the parser, which must agree with
// the slow version of its contract, and through the stages of a worker, which must keep to what
// packet_stages.cpp asks for.
//
// Input: how many packets make the first burst, a recipe for each, see recipe.hpp; then the same
// for answers to what NAT sent, and for answers to those.
#include "fuzz/packet_stages.hpp"
#include "fuzz/recipe.hpp"
#include "packet/checksum.hpp"
#include "packet/parse.hpp"
#include "packet/slow_parse.hpp"
#include "support/dissect.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace {

using namespace sluice;

constexpr unsigned kMostPackets = 8;

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
  SLUICE_REQUIRE(verdict == test::slow_parse(frame, packet.size(), slow));
  SLUICE_REQUIRE(std::memcmp(&fast, &slow, sizeof fast) == 0);

  const std::size_t fixed = fast.key.family == 4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  SLUICE_REQUIRE(fast.key.family == 0 || fast.l3_offset + fixed <= size);
  if (verdict != Verdict::kForward) return;
  SLUICE_REQUIRE(fast.key.family == 4 || fast.key.family == 6);
  SLUICE_REQUIRE(fast.l3_offset + std::size_t{fast.l3_length} <= packet.size());
  SLUICE_REQUIRE(fast.l4_offset >= fast.l3_offset + fixed && fast.l4_offset <= size);
  SLUICE_REQUIRE(flow_hash(fast.key, default_hash_key()) ==
                 flow_hash(slow.key, default_hash_key()));
  const auto l3 = frame.subspan(fast.l3_offset);
  SLUICE_REQUIRE(checksum(l3).to_host() == test::slow_checksum(l3));
}

/// One burst, by every way.
std::vector<test::Bytes> handle(fuzz::Stages& stages, const std::vector<fuzz::Arrival>& burst) {
  for (const auto& [frame, headroom, first_segment] : burst) {
    const std::size_t split = std::min(first_segment, frame.size());
    parse(frame, frame.size());
    parse(frame, split);
    parse(std::span(frame).first(split), split);
  }
  return stages.run(burst);
}

std::optional<fuzz::Stages> world;

}  // namespace

/// Before the clock of the first input runs: DPDK takes its time to start.
extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  world.emplace();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Stages& stages = *world;
  stages.forget();
  fuzz::Source source({data, size});
  std::vector<fuzz::Arrival> burst;
  for (unsigned n = 1 + source.below(kMostPackets); n > 0 && !source.empty(); --n)
    burst.push_back(fuzz::Recipe(source).arrival());
  auto sent = handle(stages, burst);
  for (int round = 0; round < 2 && !source.empty() && !sent.empty(); ++round) {
    burst.clear();
    for (unsigned n = 1 + source.below(kMostPackets); n > 0 && !source.empty(); --n)
      burst.push_back(fuzz::Recipe(source).answer_to(sent[source.byte() % sent.size()]));
    sent = handle(stages, burst);
  }
  return 0;
}
