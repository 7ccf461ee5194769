// SPDX-License-Identifier: Apache-2.0
#include "dataplane/capture_tap.hpp"

#include "dataplane/encapsulate.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace sluice::dataplane {
namespace {

// A thousand slots last a worker for some 50 ms at 20,000 packets a second, which is how often the
// slow path comes by; with long snaps memory is the bound.
constexpr std::size_t kMostSlots = 1024;
constexpr std::size_t kMostBytes = 4U << 20U;
constexpr std::size_t kLine = 64;

}  // namespace

CaptureTap::CaptureTap(const CaptureFilter& filter)
    : filter_(filter),
      stride_((sizeof(Slot) + 2 * std::size_t{filter.snap} + kLine - 1) / kLine * kLine),
      mask_(std::bit_floor(std::min(kMostSlots, kMostBytes / stride_)) - 1),
      memory_(stride_ * (mask_ + 1)) {  // zeroed, so that no worker meets a page for the first time
  for (std::uint64_t i = 0; i <= mask_; ++i) new (memory_of(i)) Slot{};
}

std::uint16_t CaptureTap::copy(const rte_mbuf& packet, std::byte* to) const noexcept {
  const auto wanted = std::min<std::uint32_t>(packet.pkt_len, filter_.snap);
  const void* in_place = rte_pktmbuf_read(&packet, 0, wanted, to);  // several segments: copies
  if (in_place == nullptr) return 0;
  if (in_place != to) std::memcpy(to, in_place, wanted);
  return static_cast<std::uint16_t>(wanted);
}

void CaptureTap::before(const Burst& b, std::uint64_t cycles) noexcept {
  count_ = 0;
  std::uint32_t i = skip_;
  // Acquire: the reader has read the slots that it gave back. Pairs with the store in drain().
  const std::uint64_t room = slots() - (written_ - tail_.load(std::memory_order_acquire));
  for (; i < b.size; i += filter_.sample) {
    const rte_mbuf& packet = *b.packet[i];
    picked_[count_] = {&packet, static_cast<std::uint16_t>(i), count_ < room, false};
    if (count_ < room) {
      const std::uint64_t number = written_ + count_;
      Slot& s = slot(number);
      s.cycles = cycles;
      s.port = b.port;
      s.before_length = packet.pkt_len;
      s.before_size = copy(packet, memory_of(number) + sizeof(Slot));
    }
    ++count_;
  }
  skip_ = i - b.size;
}

void CaptureTap::after(const Burst& b) noexcept {
  for (std::uint16_t k = 0; k < count_; ++k) {
    Picked& p = picked_[k];
    // Packets that were handed over have left the burst, and those behind them moved up.
    std::uint16_t i = p.index;
    while (i != kGone && (i >= b.size || b.packet[i] != p.packet))
      i = i == 0 ? kGone : static_cast<std::uint16_t>(i - 1);
    p.index = i;
    if (i == kGone) continue;
    p.has_backend = b.verdict[i] == Verdict::kForward;
    if (!p.has_slot) continue;
    const std::uint64_t number = written_ + k;
    Slot& s = slot(number);
    s.has_service = b.service[i] != nullptr;
    s.service = s.has_service ? b.service[i]->number : std::uint16_t{0};
    s.has_backend = p.has_backend;
    s.backend = p.has_backend ? b.backend[i] : std::uint16_t{0};
    s.after_size = 0;
    s.after_length = 0;
    // The verdict may still change, but only from one that is sent to one that is not.
    if (!is_sent(b.verdict[i]) || !wants(b, p)) continue;
    finish_checksum(*b.packet[i]);  // who looks on is not to take it for wrong
    s.after_length = p.packet->pkt_len;
    s.after_size = copy(*p.packet, memory_of(number) + sizeof(Slot) + filter_.snap);
  }
}

bool CaptureTap::wants(const Burst& b, const Picked& p) const noexcept {
  const std::uint16_t i = p.index;
  if (!filter_.verdicts[static_cast<std::size_t>(b.verdict[i])]) return false;
  if (filter_.service && (b.service[i] == nullptr || b.service[i]->number != *filter_.service))
    return false;
  return !filter_.backend || (p.has_backend && b.backend[i] == *filter_.backend);
}

void CaptureTap::settle(const Burst& b) noexcept {
  std::uint64_t to = written_;
  for (std::uint16_t k = 0; k < count_; ++k) {
    const Picked& p = picked_[k];
    if (p.index == kGone || !wants(b, p)) continue;
    if (!p.has_slot) {
      lost_.add(1);
      continue;
    }
    const std::uint64_t from = written_ + k;
    Slot& s = slot(from);
    s.verdict = b.verdict[p.index];
    if (!is_sent(s.verdict)) s.after_size = 0;  // the device did not take it
    if (to != from) std::memcpy(memory_of(to), memory_of(from), stride_);
    ++to;
  }
  count_ = 0;
  if (to == written_) return;
  written_ = to;
  // Release: the reader sees the slots. Pairs with the load in drain().
  head_.store(written_, std::memory_order_release);
}

std::size_t CaptureTap::drain(const std::function<bool(const Captured&)>& take) {
  const std::uint64_t first = tail_.load(std::memory_order_relaxed);  // only this thread stores it
  const std::uint64_t end = head_.load(std::memory_order_acquire);    // pairs with settle()
  std::uint64_t at = first;
  for (; at != end; ++at) {
    const Slot& s = slot(at);
    const std::byte* bytes = memory_of(at) + sizeof(Slot);
    Captured packet{.cycles = s.cycles,
                    .verdict = s.verdict,
                    .port = s.port,
                    .service = {},
                    .backend = {},
                    .before = {bytes, s.before_size},
                    .before_length = s.before_length,
                    .after = {bytes + filter_.snap, s.after_size},
                    .after_length = s.after_size == 0 ? 0 : s.after_length};
    if (s.has_service) packet.service = s.service;
    if (s.has_backend) packet.backend = s.backend;
    if (!take(packet)) break;
  }
  // Release: the slots have been read. Pairs with the load in before().
  tail_.store(at, std::memory_order_release);
  return static_cast<std::size_t>(at - first);
}

}  // namespace sluice::dataplane
