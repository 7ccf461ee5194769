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
#include <map>
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
constexpr unsigned kBuffers = 2 * kBurst + 2 * HeldFragments::kInBurst;  // steering's, and NAT's
// What is judged already and waits for its turn in the output, behind a fragment that is kept.
constexpr std::size_t kMostJudged = 65536;
// The meters' clock, and how much of it passes within one burst at most.
constexpr std::uint64_t kCyclesPerSecond = 1'000'000'000;
constexpr std::uint64_t kBurstCycles = 1'000'000;
constexpr double kLongestReplay = 4e9;  // seconds: stays far below 2^62 of those cycles

struct FreePool {
  void operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }
};

/// What the stages do not need of a packet, in its buffer: some wait for others, and leave later.
struct Origin {
  std::uint64_t index;  ///< In the capture.
  std::chrono::nanoseconds time;
};

/// A packet that has its verdict.
struct Judged {
  ReplayVerdict verdict;
  std::chrono::nanoseconds time;
  std::vector<std::byte> frame;  ///< What is sent; empty: nothing.
  std::uint32_t length;          ///< Of the packet; more than the frame's when that was cut.
};
static_assert(sizeof(Origin) % RTE_MBUF_PRIV_ALIGN == 0);

Origin& origin_of(rte_mbuf* packet) noexcept {
  return *static_cast<Origin*>(rte_mbuf_to_priv(packet));
}

/// One packet of the capture.
struct Read {
  rte_mbuf* packet;
  std::uint64_t tick;    ///< Since the first packet; not yet modulo anything.
  std::uint64_t cycles;  ///< Likewise.
};

/// A burst and its time.
struct Input {
  Burst burst;
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
    pool_.reset(rte_pktmbuf_pool_create("replay", kBuffers, 0, sizeof(Origin), kBufferBytes,
                                        SOCKET_ID_ANY));
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
    Result<bool> more = true;
    while (more && *more) {
      more = fill(*reader, input);
      process_and_write(input, *writer, tell);
    }
    state_.cycles += 2 * kCyclesPerSecond;  // nothing is waited for behind the last packet
    judge_held(input.burst, *writer, tell);
    while (!judged_.empty()) put_first(*writer, tell);
    if (!more) return forward_error(more);
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
    rte_mbuf* m = rte_pktmbuf_alloc(pool_.get());
    SLUICE_ASSERT(m != nullptr, "a burst, one packet and those that wait fit the pool");
    origin_of(m) = {read_++, (*packet)->time};
    const auto captured = static_cast<std::uint16_t>(bytes.size());
    std::memcpy(rte_pktmbuf_append(m, captured), bytes.data(), bytes.size());
    // A packet that was cut is judged by its whole length, as if the rest lay in another segment.
    m->pkt_len = std::clamp<std::uint32_t>((*packet)->wire_length, captured, kLongestOnWire);
    const double seconds = seconds_at((*packet)->time);
    ahead_ = {m, static_cast<std::uint64_t>(seconds / flow::kTickSeconds),
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
    sweep_until(input.tick);
    state_.cycles = input.cycles;
    state_.tick = static_cast<flow::Tick>(input.tick & flow::kTickMask);
    Burst held;
    judge_held(held, writer, tell);  // what a worker does while no packet comes
    b.port = 0;
    judge(b, writer, tell);
    judge_held(held, writer, tell);
  }

  /// Fragments whose first one has come, and such as have waited for it long enough.
  void judge_held(Burst& b, CaptureWriter& writer,
                  const std::function<void(const ReplayVerdict&)>& tell) {
    while (state_.take_held(b)) judge(b, writer, tell);
  }

  void judge(Burst& b, CaptureWriter& writer,
             const std::function<void(const ReplayVerdict&)>& tell) {
    process(b, now_, state_);
    counters_.rx_packets.add(b.size);
    counters_.bursts.add(1);
    for (std::uint16_t i = 0; i < b.size; ++i) {
      rte_mbuf* m = b.packet[i];
      counters_.rx_bytes.add(b.length[i]);
      const Origin& origin = origin_of(m);
      const bool chosen = b.service[i] != nullptr && b.verdict[i] != Verdict::kNoBackend;
      Judged done{
          .verdict = {origin.index, b.verdict[i], b.service[i],
                      chosen ? &now_.backends[b.backend[i]] : nullptr,
                      chosen ? b.backend[i] : flow::BackendNumber{0}, chosen && b.new_flow[i]},
          .time = origin.time,
          .frame = {},
          .length = m->pkt_len};
      const auto* bytes = rte_pktmbuf_mtod(m, const std::byte*);
      if (is_sent(b.verdict[i])) done.frame.assign(bytes, bytes + m->data_len);
      judged_.emplace(origin.index, std::move(done));
      rte_pktmbuf_free(m);
    }
    count(b, counters_);
    while (!judged_.empty() && (judged_.begin()->first <= next_ || judged_.size() > kMostJudged))
      put_first(writer, tell);
  }

  /// Puts out the first of the packets that have their verdict.
  void put_first(CaptureWriter& writer, const std::function<void(const ReplayVerdict&)>& tell) {
    const auto first = judged_.begin();
    const Judged& done = first->second;
    if (!done.frame.empty()) writer.write({done.time, done.frame, done.length});
    tell(done.verdict);
    next_ = std::max(next_, first->first + 1);
    judged_.erase(first);
  }

  const ReplaySettings& settings_;
  const snapshot::Snapshot& now_;
  std::unique_ptr<rte_mempool, FreePool> pool_;  // outlives what the state keeps
  HeapMemory memory_;
  WorkerState state_;
  std::vector<Traffic> services_;
  std::vector<Traffic> backends_;
  Counters counters_;
  std::chrono::nanoseconds start_{};
  bool started_ = false;
  double latest_ = 0;        ///< Seconds since the first packet, scaled.
  std::uint64_t swept_ = 0;  ///< Tick of the last sweep.
  std::uint64_t nat_swept_ = 0;
  std::uint64_t read_ = 0;                  ///< Packets read.
  std::uint64_t next_ = 0;                  ///< Index of the packet that is put out next.
  std::map<std::uint64_t, Judged> judged_;  ///< By index.
  std::optional<Read> ahead_;
};

}  // namespace

Result<Books> replay(const ReplaySettings& settings, const snapshot::Snapshot& now,
                     const std::function<void(const ReplayVerdict&)>& tell) {
  return Replay(settings, now).run(tell);
}

}  // namespace sluice::dataplane
