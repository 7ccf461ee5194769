// SPDX-License-Identifier: Apache-2.0
#include "dataplane/replay.hpp"

#include "base/assert.hpp"
#include "dataplane/packet_file.hpp"
#include "dataplane/stages.hpp"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace sluice::dataplane {
namespace {

// Any captured frame fits one buffer: the length of a segment is a 16-bit number.
constexpr std::uint16_t kBufferBytes = 65535 / 64 * 64;
constexpr std::size_t kLongestFrame = kBufferBytes - RTE_PKTMBUF_HEADROOM;
// What a cut packet may say of its length: two tags before the longest IPv4 packet.
constexpr std::uint32_t kLongestOnWire = 65535 + 22;
constexpr unsigned kBuffers = 2 * kBurst;
// The meters' clock, and how much of it passes within one burst at most.
constexpr std::uint64_t kCyclesPerSecond = 1'000'000'000;
constexpr std::uint64_t kBurstCycles = 1'000'000;
constexpr double kLongestReplay = 4e9;  // seconds: stays far below 2^62 of those cycles

struct FreePool {
  void operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }
};

/// One packet of the capture.
struct Read {
  rte_mbuf* packet;
  std::chrono::nanoseconds time;
  std::uint64_t tick;    ///< Since the first packet; not yet modulo anything.
  std::uint64_t cycles;  ///< Likewise.
};

/// A burst and, beside it, the times that the stages do not need.
struct Input {
  Burst burst;
  std::array<std::chrono::nanoseconds, kBurst> time;
  std::uint64_t tick = 0;
  std::uint64_t cycles = 0;
};

class Replay {
 public:
  Replay(const ReplaySettings& settings, const snapshot::Snapshot& now)
      : settings_(settings),
        now_(now),
        memory_(settings.flows),
        state_(memory_.spans(), kCyclesPerSecond, 1),
        services_(highest_service(now) + 1U),
        backends_(now.backends.size()),
        counters_(services_, backends_) {}

  Result<Books> run(const std::function<void(const ReplayVerdict&)>& tell) {
    pool_.reset(rte_pktmbuf_pool_create("replay", kBuffers, 0, 0, kBufferBytes, SOCKET_ID_ANY));
    if (pool_ == nullptr)
      return fail(Errc::kExhausted, "replay", "no packet buffers: {}", rte_strerror(rte_errno));
    auto reader = CaptureReader::open(settings_.in);
    if (!reader) return forward_error(reader);
    std::error_code different;
    if (std::filesystem::equivalent(settings_.in, settings_.out, different))
      return fail(Errc::kInvalid, settings_.out, "is the input as well; name another output");
    auto writer = CaptureWriter::create(settings_.out);
    if (!writer) return forward_error(writer);
    Input input;
    for (;;) {
      const auto more = fill(*reader, input);
      process_and_write(input, *writer, tell);
      if (!more) return forward_error(more);
      if (!*more) break;
    }
    if (auto whole = writer->finish(); !whole) return forward_error(whole);
    Books books;
    books.add(counters_);
    return books;
  }

 private:
  static std::uint16_t highest_service(const snapshot::Snapshot& now) {
    std::uint16_t highest = 0;
    for (const auto& service : now.services) highest = std::max(highest, service.number);
    return highest;
  }

  /// Reads up to a burst of packets of one tick and one millisecond, as a worker's clocks stand
  /// still during a burst.
  /// @return whether there may be more.
  Result<bool> fill(CaptureReader& reader, Input& input) {
    Burst& b = input.burst;
    b.size = 0;
    for (;;) {
      if (!ahead_) {
        auto more = read_ahead(reader);
        if (!more || !*more) return more;
      }
      if (b.size == kBurst) return true;
      if (b.size != 0 &&
          (ahead_->tick != input.tick || ahead_->cycles - input.cycles > kBurstCycles))
        return true;
      if (b.size == 0) input.cycles = ahead_->cycles;
      input.tick = ahead_->tick;
      input.time[b.size] = ahead_->time;
      b.packet[b.size++] = ahead_->packet;
      ahead_.reset();
    }
  }

  /// Takes the next packet into `ahead_`. @return false at the end of the capture.
  Result<bool> read_ahead(CaptureReader& reader) {
    auto packet = reader.next();
    if (!packet) return forward_error(packet);
    if (!*packet) return false;
    const auto bytes = (*packet)->bytes;
    if (bytes.size() > kLongestFrame)
      return fail(Errc::kUnsupported, settings_.in,
                  "packet {} has {} bytes; at most {} are replayed", read_, bytes.size(),
                  kLongestFrame);
    ++read_;
    rte_mbuf* m = rte_pktmbuf_alloc(pool_.get());
    SLUICE_ASSERT(m != nullptr, "a burst and one packet fit the pool");
    const auto captured = static_cast<std::uint16_t>(bytes.size());
    std::memcpy(rte_pktmbuf_append(m, captured), bytes.data(), bytes.size());
    // A packet that was cut is judged by its whole length, as if the rest lay in another segment.
    m->pkt_len = std::clamp<std::uint32_t>((*packet)->wire_length, captured, kLongestOnWire);
    const double seconds = seconds_at((*packet)->time);
    ahead_ = {m, (*packet)->time, static_cast<std::uint64_t>(seconds / flow::kTickSeconds),
              static_cast<std::uint64_t>(seconds * kCyclesPerSecond)};
    return true;
  }

  /// Seconds since the first packet, scaled.
  double seconds_at(std::chrono::nanoseconds time) {
    if (!started_) start_ = time;
    started_ = true;
    const double seconds =
        std::chrono::duration<double>(time - start_).count() * settings_.time_scale;
    // A capture's clock may jump back; ours does not.
    latest_ = std::max(latest_, std::min(seconds, kLongestReplay));
    return latest_;
  }

  /// Frees old entries before their tick can be mistaken for a newer one, as a worker's sweep does.
  void sweep_until(std::uint64_t tick) {
    constexpr std::uint64_t kStep = 1U << 12;
    const auto longest = std::max(now_.tcp_timeout, now_.udp_timeout);
    // After four steps even the longest timeout is over: whatever the gap, the cache is empty.
    for (int step = 0; step < 4 && tick - swept_ >= kStep; ++step) {
      swept_ += kStep;
      const auto now = static_cast<flow::Tick>(swept_ & flow::kTickMask);
      state_.flows.sweep(state_.flows.lines(), now, longest);
      state_.fragments.sweep(state_.fragments.lines(), now, kFragmentTicks);
      state_.steering.sources.sweep(state_.steering.sources.lines(), now, longest);
      state_.nat.sweep_all(now);
    }
    if (tick - swept_ >= kStep) swept_ = tick;
    if (tick == nat_swept_) return;
    nat_swept_ = tick;  // ports that have rested are free again at once
    state_.nat.sweep_all(static_cast<flow::Tick>(tick & flow::kTickMask));
  }

  void process_and_write(Input& input, CaptureWriter& writer,
                         const std::function<void(const ReplayVerdict&)>& tell) {
    Burst& b = input.burst;
    if (b.size == 0) return;
    for (std::uint16_t i = 0; i < b.size; ++i) counters_.rx_bytes.add(b.packet[i]->pkt_len);
    const std::uint64_t first = counters_.rx_packets.value();
    counters_.rx_packets.add(b.size);
    counters_.bursts.add(1);
    sweep_until(input.tick);
    b.port = 0;
    state_.cycles = input.cycles;
    state_.tick = static_cast<flow::Tick>(input.tick & flow::kTickMask);
    process(b, now_, state_);
    for (std::uint16_t i = 0; i < b.size; ++i) {
      rte_mbuf* m = b.packet[i];
      if (is_sent(b.verdict[i]))
        writer.write(
            {input.time[i], {rte_pktmbuf_mtod(m, const std::byte*), m->data_len}, m->pkt_len});
      const bool chosen = b.service[i] != nullptr && b.verdict[i] != Verdict::kNoBackend;
      tell({first + i, b.verdict[i], b.service[i], chosen ? &now_.backends[b.backend[i]] : nullptr,
            chosen ? b.backend[i] : flow::BackendNumber{0}, chosen && b.new_flow[i]});
      rte_pktmbuf_free(m);
    }
    count(b, counters_);
  }

  const ReplaySettings& settings_;
  const snapshot::Snapshot& now_;
  HeapMemory memory_;
  WorkerState state_;
  std::vector<Traffic> services_;
  std::vector<Traffic> backends_;
  Counters counters_;
  std::unique_ptr<rte_mempool, FreePool> pool_;
  std::chrono::nanoseconds start_{};
  bool started_ = false;
  double latest_ = 0;        ///< Seconds since the first packet, scaled.
  std::uint64_t swept_ = 0;  ///< Tick of the last sweep.
  std::uint64_t nat_swept_ = 0;
  std::uint64_t read_ = 0;  ///< Packets read.
  std::optional<Read> ahead_;
};

}  // namespace

Result<Books> replay(const ReplaySettings& settings, const snapshot::Snapshot& now,
                     const std::function<void(const ReplayVerdict&)>& tell) {
  return Replay(settings, now).run(tell);
}

}  // namespace sluice::dataplane
