// SPDX-License-Identifier: Apache-2.0
// Copies of packets as a worker sees them, before and after the rewrite, on their way to a file.
//
// Threads: before(), after() and settle() on the worker that has the tap; drain() and lost() on the
// slow path; the two share a ring of slots.
#pragma once

#include "base/counter.hpp"
#include "dataplane/burst.hpp"

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace sluice::dataplane {

/// Bytes of a packet that one copy holds at most: a frame of the longest MTU.
inline constexpr std::uint16_t kLongestSnap = 9216;

/// Which packets are copied, and how much of each.
struct CaptureFilter {
  std::bitset<kVerdicts> verdicts = std::bitset<kVerdicts>().set();
  std::optional<std::uint16_t> service = {};  ///< Number; absent: any, and none.
  std::optional<std::uint16_t> backend = {};  ///< Number; absent: any, and none.
  std::uint32_t sample = 1;                   ///< Every so many packets that a worker receives.
  std::uint16_t snap = 256;                   ///< Bytes of each packet, at most kLongestSnap.
};

/// What became of one packet. Spans are valid until the next drain().
struct Captured {
  std::uint64_t cycles = 0;  ///< TSC when its burst was received.
  Verdict verdict = Verdict::kForward;
  std::uint16_t port = 0;  ///< Index of the port that it came from.
  std::optional<std::uint16_t> service;
  std::optional<std::uint16_t> backend;  ///< Of packets that were, or almost were, sent to one.
  std::span<const std::byte> before;     ///< As received.
  std::uint32_t before_length = 0;       ///< Of the packet; before.size() or more.
  std::span<const std::byte> after;      ///< As sent; empty: nothing was.
  std::uint32_t after_length = 0;
};

/// One worker's part of a running capture. A packet is copied straight into a slot of the ring
/// before anything is known of it; slots of packets that the filter does not want are used again.
/// Where the ring is full packets are not copied, and those that the filter wanted are counted.
class CaptureTap {
 public:
  /// Takes two copies of filter.snap bytes a slot, about 4 MiB at most.
  explicit CaptureTap(const CaptureFilter& filter);
  CaptureTap(const CaptureTap&) = delete;
  CaptureTap& operator=(const CaptureTap&) = delete;

  /// Copies what has been received, every `sample`th packet. `cycles`: TSC of the burst.
  void before(const Burst& b, std::uint64_t cycles) noexcept;
  /// Copies what is about to be sent of the packets that before() picked. Call it once process()
  /// is through: packets that it handed to another worker are forgotten here.
  void after(const Burst& b) noexcept;
  /// Hands over what the filter wants, by the verdicts after transmit. Reads no packet.
  void settle(const Burst& b) noexcept;

  /// Calls take for each packet that has been handed over, in order, until it says false.
  /// @return how many it took; the one that it refused is offered again next time.
  std::size_t drain(const std::function<bool(const Captured&)>& take);
  /// Packets that the filter wanted and for which there was no slot.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_.value(); }
  [[nodiscard]] std::size_t slots() const noexcept { return mask_ + 1; }

 private:
  static constexpr std::uint16_t kGone = kBurst;  ///< Index of a packet that has left the burst.

  struct Slot {  ///< Followed by two copies of snap_ bytes.
    std::uint64_t cycles;
    std::uint32_t before_length, after_length;
    std::uint16_t before_size, after_size;
    std::uint16_t port, service, backend;
    bool has_service, has_backend;
    Verdict verdict;
  };
  struct Picked {
    const rte_mbuf* packet;
    std::uint16_t index;  ///< In the burst, or kGone.
    bool has_slot;
    bool has_backend;
  };

  [[nodiscard]] std::byte* memory_of(std::uint64_t number) noexcept {
    return memory_.data() + (number & mask_) * stride_;
  }
  [[nodiscard]] Slot& slot(std::uint64_t number) noexcept {
    return *reinterpret_cast<Slot*>(memory_of(number));
  }
  std::uint16_t copy(const rte_mbuf& packet, std::byte* to) const noexcept;
  [[nodiscard]] bool wants(const Burst& b, const Picked& p) const noexcept;

  const CaptureFilter filter_;
  std::size_t stride_;
  std::size_t mask_;
  std::vector<std::byte> memory_;

  // The worker's own.
  alignas(64) std::array<Picked, kBurst> picked_{};
  std::uint16_t count_ = 0;    ///< Of picked_.
  std::uint32_t skip_ = 0;     ///< Packets to pass by before the next that is picked.
  std::uint64_t written_ = 0;  ///< Slots handed over, from the start.
  Counter lost_;

  alignas(64) std::atomic<std::uint64_t> head_{0};  ///< written_, for the reader.
  alignas(64) std::atomic<std::uint64_t> tail_{0};  ///< Slots that the reader has given back.
};

}  // namespace sluice::dataplane
