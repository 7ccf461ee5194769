// SPDX-License-Identifier: Apache-2.0
// Which session the fragments of a datagram belong to: only the first one has ports.
//
// Threads: one worker owns it.
#pragma once

#include "flow/cache.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// A datagram of which the first fragment was seen.
struct NatDatagram {
  std::uint64_t hash = 0;  ///< Of addresses, protocol and id; 0: free.
  std::uint32_t session = 0;
  std::uint32_t id = 0;  ///< Of its fragments once translated, host order.
  std::uint16_t serial = 0;
  std::uint16_t owner = 0;  ///< Worker that has the session.
  flow::Tick tick = 0;      ///< Of its last fragment.
};

/// Datagrams of the last 30 s, as long as hosts wait for the rest; 24 KiB. When more of them are
/// under way, the oldest of four is forgotten, and with it the fragments that are still to come.
///
/// Fragments get new ids. Those of one local address go to one backend from many clients, which
/// count for themselves: with their own ids fragments of two clients would end up in one datagram.
class NatFragments {
 public:
  static constexpr flow::Tick kTicks = 30 / flow::kTickSeconds;

  /// @param worker, workers  so that two workers do not give one id to two datagrams.
  NatFragments(unsigned worker, unsigned workers) noexcept : next_(worker), step_(workers) {}

  /// @param hash  64 uniform bits, which stand for the datagram.
  /// @return null when it is not known.
  [[nodiscard]] NatDatagram* find(std::uint64_t hash, flow::Tick now) noexcept {
    for (NatDatagram& d : set_of(hash)) {
      if (d.hash != hash || age_of(d, now) > kTicks) continue;
      d.tick = now;
      return &d;
    }
    return nullptr;
  }

  /// The entry of a datagram whose first fragment has come, with an id of its own the first time.
  [[nodiscard]] NatDatagram& assign(std::uint64_t hash, flow::Tick now) noexcept {
    if (NatDatagram* known = find(hash, now)) return *known;
    auto& set = set_of(hash);
    NatDatagram& d = *std::ranges::max_element(set, {}, [&](const NatDatagram& one) {
      return one.hash == 0 ? flow::Tick{0xffff} : age_of(one, now);
    });
    next_ += step_;
    d = {.hash = hash, .session = 0, .id = next_, .serial = 0, .owner = 0, .tick = now};
    return d;
  }

 private:
  static constexpr std::size_t kSets = 256;
  using Set = std::array<NatDatagram, 4>;

  [[nodiscard]] static flow::Tick age_of(const NatDatagram& d, flow::Tick now) noexcept {
    return static_cast<flow::Tick>((now - d.tick) & flow::kTickMask);
  }
  [[nodiscard]] Set& set_of(std::uint64_t hash) noexcept { return sets_[hash % kSets]; }

  std::array<Set, kSets> sets_{};
  std::uint32_t next_;
  std::uint32_t step_;
};

}  // namespace sluice::dataplane
