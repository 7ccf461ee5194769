// SPDX-License-Identifier: Apache-2.0
#include "dataplane/held_fragments.hpp"

#include <rte_mbuf.h>

namespace sluice::dataplane {

HeldFragments::~HeldFragments() {
  for (unsigned n = 0; n < size_; ++n) rte_pktmbuf_free(entries_[n].packet);
}

bool HeldFragments::keep(rte_mbuf* packet, std::uint64_t hash, std::uint64_t cycles) noexcept {
  if (size_ == kInBurst) return false;
  entries_[size_++] = {.packet = packet, .hash = hash, .since = cycles, .released = false};
  return true;
}

void HeldFragments::release(std::uint64_t hash) noexcept {
  for (unsigned n = 0; n < size_; ++n) {
    if (entries_[n].hash != hash || entries_[n].released) continue;
    entries_[n].released = true;
    ++released_;
  }
}

bool HeldFragments::take(Burst& b, std::uint64_t cycles, std::uint64_t patience) noexcept {
  b.size = 0;
  const unsigned waiting = size_ - released_;
  unsigned too_many = waiting > kMost ? waiting - kMost : 0;
  unsigned kept = 0;
  for (unsigned n = 0; n < size_; ++n) {
    const Entry e = entries_[n];
    const bool overdue = !e.released && (too_many != 0 || cycles - e.since > patience);
    if (overdue && too_many != 0) --too_many;
    const bool fits = b.size == 0 || (b.size < kBurst && b.overdue == overdue &&
                                      b.port == e.packet->port);  // a burst comes from one port
    if ((!e.released && !overdue) || !fits) {
      entries_[kept++] = e;
      continue;
    }
    if (e.released) --released_;
    b.overdue = overdue;
    b.taken = false;
    b.port = e.packet->port;
    b.packet[b.size++] = e.packet;
  }
  size_ = kept;
  return b.size != 0;
}

}  // namespace sluice::dataplane
