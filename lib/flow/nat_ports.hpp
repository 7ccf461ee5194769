// SPDX-License-Identifier: Apache-2.0
// Local ports of NAT: which worker owns which, and which of them are in use towards an endpoint.
//
// Threads: NatShare is a value; one worker owns a NatPorts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::flow {

using NatAddress = std::array<std::uint32_t, 4>;  ///< As in a FlowKey: IPv4 has word 0 only.

/// How the 65536 port numbers of every NAT address are divided among workers: in groups of 64,
/// dealt out in turn. So any worker knows from the port alone who has the session of a returning
/// packet, and a pool with a narrow range still has ports of every worker.
class NatShare {
 public:
  static constexpr unsigned kGroup = 64;  ///< Ports dealt out at a time: one word of a bitmap.
  static constexpr unsigned kGroups = 65536 / kGroup;
  static constexpr unsigned kMostWorkers = kGroups;

  /// @param workers  1 to kMostWorkers.  @param worker  whose share: below `workers`.
  constexpr NatShare(unsigned workers, unsigned worker) noexcept
      : workers_(workers),
        worker_(worker),
        reciprocal_(((std::uint64_t{1} << 32) + workers - 1) / workers) {}

  /// The worker that owns a port (host order). No division: a multiplication and a shift.
  [[nodiscard]] constexpr unsigned owner(std::uint16_t port) const noexcept {
    const unsigned group = port / kGroup;
    return group - turns(group) * workers_;
  }
  [[nodiscard]] constexpr unsigned worker() const noexcept { return worker_; }
  [[nodiscard]] constexpr unsigned workers() const noexcept { return workers_; }

  /// Groups in this worker's share.
  [[nodiscard]] constexpr unsigned groups() const noexcept {
    return turns(kGroups - 1 - worker_) + 1;
  }
  /// The ports of the share are numbered in order, from 0 to 64 x groups() - 1: port of a number.
  [[nodiscard]] constexpr std::uint16_t port(unsigned slot) const noexcept {
    return static_cast<std::uint16_t>((slot / kGroup * workers_ + worker_) * kGroup +
                                      slot % kGroup);
  }
  /// Number of the first port of the share that is not below `port` (0 to 65536).
  [[nodiscard]] constexpr unsigned slot_from(unsigned port) const noexcept {
    const unsigned group = port / kGroup;
    const unsigned turn = turns(group);
    const unsigned turn_of = group - turn * workers_;  // whose turn it is there
    if (turn_of == worker_) return turn * kGroup + port % kGroup;
    return (turn_of < worker_ ? turn : turn + 1) * kGroup;
  }

 private:
  /// group / workers_, exact for group < 2^16.
  [[nodiscard]] constexpr unsigned turns(unsigned group) const noexcept {
    return static_cast<unsigned>((group * reciprocal_) >> 32);
  }

  unsigned workers_;
  unsigned worker_;
  std::uint64_t reciprocal_;
};

/// One side of a translated connection that fixes which local ports are free: a local port is in
/// use towards one endpoint from one local address, and free towards any other.
struct NatEndpoint {
  NatAddress backend;
  NatAddress local;
  std::uint16_t backend_port;  ///< Network order.
  std::uint8_t protocol;
  std::uint8_t family;

  friend bool operator==(const NatEndpoint&, const NatEndpoint&) = default;
};

/// The two ends of a list that runs through sessions; kNone: empty.
struct NatQueue {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t oldest = kNone;
  std::uint32_t newest = kNone;
};

/// A bitmap of free ports for each endpoint that has sessions, with a summary above it: taking a
/// port, giving one back and finding that none is left cost the same however full a set is.
class NatPorts {
 public:
  using Set = std::uint16_t;
  static constexpr Set kNoSet = 0xffff;
  static constexpr std::size_t kMostSets = kNoSet;

  /// Bytes that `sets` sets (1 to kMostSets) of a share take: at one worker 8 KiB each, at two
  /// half.
  [[nodiscard]] static std::size_t bytes_for(std::size_t sets, const NatShare& share) noexcept;

  /// @param memory  bytes_for(sets, share) bytes, aligned to 64, that outlive the object.
  NatPorts(std::span<std::byte> memory, std::size_t sets, const NatShare& share) noexcept;

  /// The set of an endpoint, a new one if it has none.
  /// @return kNoSet when all sets belong to other endpoints that have sessions.
  /// @param hash  uniform, of the endpoint alone. Cost: two cache lines.
  [[nodiscard]] Set need(const NatEndpoint& endpoint, std::uint64_t hash) noexcept;

  /// Takes a free port from `first` to `last` (host order, first <= last): the next one after the
  /// port taken last, round and round, so that a port rests as long as it can.
  /// @return std::nullopt when the share has none left in the range.
  [[nodiscard]] std::optional<std::uint16_t> take(Set set, std::uint16_t first,
                                                  std::uint16_t last) noexcept;
  /// Gives back a port that take() gave. The set may go to another endpoint with its last port.
  void give_back(Set set, std::uint16_t port) noexcept;
  /// Ends the use of a set from which nothing was taken.
  void leave(Set set) noexcept;

  [[nodiscard]] std::uint32_t used(Set set) const noexcept { return heads_[set].used; }
  /// Room for the caller: what of this endpoint may be given up first.
  [[nodiscard]] NatQueue& queue(Set set) noexcept { return heads_[set].queue; }
  [[nodiscard]] std::size_t sets_in_use() const noexcept { return in_use_; }
  [[nodiscard]] const NatShare& share() const noexcept { return share_; }

 private:
  struct alignas(64) Head {
    NatEndpoint endpoint;
    std::uint32_t used;    ///< Ports taken.
    std::uint32_t cursor;  ///< Slot where the next search begins.
    NatQueue queue;
    Set next;  ///< In the chain of its bucket, or of free sets.
    std::uint32_t bucket;
  };
  static_assert(sizeof(Head) == 64);

  [[nodiscard]] std::span<std::uint64_t> words(Set set) const noexcept;
  [[nodiscard]] std::optional<unsigned> free_slot(Set set, unsigned from,
                                                  unsigned end) const noexcept;

  NatShare share_;
  unsigned groups_;
  unsigned summary_;  ///< Words of the summary.
  Head* heads_;
  Set* buckets_;
  std::uint64_t*
      bits_;  ///< A set: one bit a port, set when free, then one bit a word, set when any.
  std::size_t bucket_mask_;
  Set free_ = kNoSet;
  std::size_t in_use_ = 0;
  std::uint64_t start_ = 0;  ///< Of the search in the set that is needed next.
};

}  // namespace sluice::flow
