// SPDX-License-Identifier: Apache-2.0
// Fragments that came before the first one of their datagram, which alone has ports: kept for a
// second, until that has come. NAT keeps those of sessions, steering all others.
//
// Threads: one worker owns it.
#pragma once

#include "dataplane/burst.hpp"

#include <array>
#include <cstdint>

namespace sluice::dataplane {

class HeldFragments {
 public:
  static constexpr unsigned kMost = 64;                 ///< Packets kept from burst to burst.
  static constexpr unsigned kInBurst = kMost + kBurst;  ///< Until take() has been called.

  HeldFragments() noexcept = default;
  ~HeldFragments();  ///< Frees what is still kept.
  HeldFragments(const HeldFragments&) = delete;
  HeldFragments& operator=(const HeldFragments&) = delete;

  /// Keeps a packet; `hash` stands for its datagram.
  /// @return false when there are kInBurst; the packet is then still the caller's.
  [[nodiscard]] bool keep(rte_mbuf* packet, std::uint64_t hash, std::uint64_t cycles) noexcept;

  /// The first fragment of a datagram has come: take() gives those that waited for it.
  void release(std::uint64_t hash) noexcept;

  /// Makes a burst of packets from one port whose first fragment has come; or, with b.overdue, of
  /// such as have waited for longer than `patience`. When more than kMost are kept, the oldest have
  /// waited long enough: who wants to push others out has to be faster than their datagrams.
  /// @return whether there is any. Call it after each burst until there is none.
  [[nodiscard]] bool take(Burst& b, std::uint64_t cycles, std::uint64_t patience) noexcept;

  [[nodiscard]] unsigned size() const noexcept { return size_; }

 private:
  struct Entry {
    rte_mbuf* packet;
    std::uint64_t hash;
    std::uint64_t since;
    bool released;
  };

  std::array<Entry, kInBurst> entries_;  ///< In order of arrival.
  unsigned size_ = 0;
  unsigned released_ = 0;
};

}  // namespace sluice::dataplane
