// SPDX-License-Identifier: Apache-2.0
// What a burst is to NAT's short way: which packets are plain, their hashes, and whose each is.
//
// Threads: lives on one worker's stack.
#pragma once

#include "dataplane/burst.hpp"
#include "dataplane/nat_plain.hpp"
#include "dataplane/worker_state.hpp"

#include <cstdint>

namespace sluice::dataplane {

/// Whose a packet is.
struct Whose {
  const snapshot::Service* service = nullptr;  ///< Of NAT and without rules: it is a client's.
  bool back = false;                           ///< It goes to a NAT address: it is a backend's.
};

/// Of the first packet of a burst, which may be empty; nobody's if it cannot be plain.
[[nodiscard]] Whose whose_first(const Burst& b, const snapshot::Snapshot& now) noexcept;

/// The masks have a bit for each packet of the burst.
class NatArrivals {
 public:
  /// Reads a burst that is not empty; writes its columns plain, length and service.
  NatArrivals(Burst& b, const snapshot::Snapshot& now, const WorkerState& state) noexcept;

  std::uint32_t all;       ///< All packets.
  std::uint32_t unread;    ///< Left to the stages for their headers: SYNs, and what is not plain.
  std::uint32_t left;      ///< Those, and what is not NAT's or has rules.
  std::uint32_t back = 0;  ///< From backends.

  [[nodiscard]] const PlainBurst& plain() const noexcept { return b_.plain; }
  [[nodiscard]] bool is_v4(std::uint16_t i) const noexcept { return (plain().v6 & bit_of(i)) == 0; }
  [[nodiscard]] bool is_udp(std::uint16_t i) const noexcept {
    return (plain().headers.udp & bit_of(i)) != 0;
  }
  /// Of a packet of headers.hashed, as are its hashes: of its flow, and by which its session is
  /// found.
  [[nodiscard]] FlowKey key(std::uint16_t i) const noexcept {
    const std::byte* frame = plain().frames.at[i];
    return is_v4(i) ? plain_key<true>(frame) : plain_key<false>(frame);
  }
  [[nodiscard]] std::uint64_t flow_hash_of(std::uint16_t i) const noexcept {
    return first_.back ? flow_hash(key(i), now_.hash_key) : plain().headers.hash[i];
  }
  [[nodiscard]] std::uint64_t session_hash_of(std::uint16_t i) const noexcept {
    return first_.back ? plain().headers.hash[i] : state_.nat.table().hash(key(i));
  }
  /// Whether the first packet is a backend's: then the hashes that were read are those of sessions.
  [[nodiscard]] bool begins_with_backend() const noexcept { return first_.back; }

 private:
  void tell_whose() noexcept;

  Burst& b_;
  const snapshot::Snapshot& now_;
  const WorkerState& state_;
  Whose first_;
};

}  // namespace sluice::dataplane
