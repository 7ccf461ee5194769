// SPDX-License-Identifier: Apache-2.0
#include "flow/nat_ports.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>

namespace sluice::flow {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15U;

constexpr std::size_t whole_lines(std::size_t bytes) noexcept {
  return (bytes + kLine - 1) / kLine * kLine;
}
constexpr unsigned summary_words(unsigned groups) noexcept { return (groups + 63) / 64; }
constexpr std::size_t buckets_for(std::size_t sets) noexcept { return std::bit_ceil(2 * sets); }

/// Bits from `bit` on.
constexpr std::uint64_t from_bit(unsigned bit) noexcept { return ~std::uint64_t{0} << bit; }

}  // namespace

std::size_t NatPorts::bytes_for(std::size_t sets, const NatShare& share) noexcept {
  const std::size_t words = share.groups() + summary_words(share.groups());
  return sets * sizeof(Head) + whole_lines(buckets_for(sets) * sizeof(Set)) +
         whole_lines(sets * words * sizeof(std::uint64_t));
}

NatPorts::NatPorts(std::span<std::byte> memory, std::size_t sets, const NatShare& share) noexcept
    : share_(share), groups_(share.groups()), summary_(summary_words(share.groups())) {
  SLUICE_ASSERT(sets != 0 && sets <= kMostSets && memory.size() >= bytes_for(sets, share),
                "the memory fits the sets of ports");
  std::byte* at = memory.data();
  heads_ = reinterpret_cast<Head*>(at);
  std::uninitialized_value_construct_n(heads_, sets);
  at += sets * sizeof(Head);
  const std::size_t buckets = buckets_for(sets);
  buckets_ = reinterpret_cast<Set*>(at);
  std::uninitialized_fill_n(buckets_, buckets, kNoSet);
  bucket_mask_ = buckets - 1;
  at += whole_lines(buckets * sizeof(Set));
  bits_ = reinterpret_cast<std::uint64_t*>(at);
  std::uninitialized_fill_n(bits_, sets * (groups_ + summary_), ~std::uint64_t{0});
  for (std::size_t i = sets; i-- > 0;) {
    heads_[i].next = free_;
    free_ = static_cast<Set>(i);
    // The summary says nothing of words that do not exist.
    if (groups_ % 64 != 0) words(free_)[groups_ + summary_ - 1] = ~from_bit(groups_ % 64);
  }
}

std::span<std::uint64_t> NatPorts::words(Set set) const noexcept {
  const std::size_t each = groups_ + summary_;
  return {bits_ + set * each, each};
}

NatPorts::Set NatPorts::need(const NatEndpoint& endpoint, std::uint64_t hash) noexcept {
  const auto bucket = static_cast<std::uint32_t>(hash & bucket_mask_);
  for (Set s = buckets_[bucket]; s != kNoSet; s = heads_[s].next)
    if (heads_[s].endpoint == endpoint) return s;
  if (free_ == kNoSet) return kNoSet;
  const Set s = free_;
  Head& head = heads_[s];
  free_ = head.next;
  // All of its ports are free: so it was given back. An endpoint that comes and goes begins at
  // another place each time, so that no port is in use again at once.
  start_ += kGoldenRatio;
  const auto cursor = static_cast<std::uint32_t>(((start_ >> 32) * groups_ * 64) >> 32);
  head = {.endpoint = endpoint,
          .used = 0,
          .cursor = cursor,
          .queue = {},
          .next = buckets_[bucket],
          .bucket = bucket};
  buckets_[bucket] = s;
  ++in_use_;
  return s;
}

std::optional<unsigned> NatPorts::free_slot(Set set, unsigned from, unsigned end) const noexcept {
  if (from >= end) return std::nullopt;
  const auto all = words(set);
  unsigned word = from / 64;
  std::uint64_t bits = all[word] & from_bit(from % 64);
  if (bits == 0) {
    const unsigned next = word + 1;
    unsigned block = next / 64;
    if (block >= summary_) return std::nullopt;
    std::uint64_t some = all[groups_ + block] & from_bit(next % 64);
    while (some == 0 && ++block < summary_) some = all[groups_ + block];
    if (some == 0) return std::nullopt;
    word = block * 64 + static_cast<unsigned>(std::countr_zero(some));
    bits = all[word];
  }
  const unsigned slot = word * 64 + static_cast<unsigned>(std::countr_zero(bits));
  return slot < end ? std::optional(slot) : std::nullopt;
}

std::optional<std::uint16_t> NatPorts::take(Set set, std::uint16_t first,
                                            std::uint16_t last) noexcept {
  Head& head = heads_[set];
  const unsigned begin = share_.slot_from(first);
  const unsigned end = std::min(share_.slot_from(last + 1U), groups_ * 64);
  auto slot = free_slot(set, std::max(head.cursor, begin), end);
  if (!slot) slot = free_slot(set, begin, std::min(head.cursor, end));
  if (!slot) return std::nullopt;
  const auto all = words(set);
  std::uint64_t& word = all[*slot / 64];
  word &= ~(std::uint64_t{1} << *slot % 64);
  if (word == 0) all[groups_ + *slot / 4096] &= ~(std::uint64_t{1} << *slot / 64 % 64);
  head.cursor = *slot + 1;
  ++head.used;
  return share_.port(*slot);
}

void NatPorts::give_back(Set set, std::uint16_t port) noexcept {
  const unsigned slot = share_.slot_from(port);
  const auto all = words(set);
  all[slot / 64] |= std::uint64_t{1} << slot % 64;
  all[groups_ + slot / 4096] |= std::uint64_t{1} << slot / 64 % 64;
  if (--heads_[set].used == 0) leave(set);
}

void NatPorts::leave(Set set) noexcept {
  Head& head = heads_[set];
  if (head.used != 0) return;
  Set* link = &buckets_[head.bucket];
  while (*link != set) link = &heads_[*link].next;
  *link = head.next;
  head.next = free_;
  free_ = set;
  --in_use_;
}

}  // namespace sluice::flow
