// SPDX-License-Identifier: Apache-2.0
#include "dataplane/replay.hpp"

#include "base/assert.hpp"
#include "dataplane/packet_file.hpp"
#include "dataplane/stages.hpp"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace sluice::dataplane {
namespace {

// Any captured frame fits one buffer: the length of a segment is a 16-bit number.
constexpr std::uint16_t kBufferBytes = 65535 / 64 * 64;
constexpr std::size_t kLongestFrame = kBufferBytes - RTE_PKTMBUF_HEADROOM;
constexpr unsigned kBuffers = 2 * kBurst;

struct FreePool {
  void operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }
};

/// The times of the packets of a burst; kept beside it, since the stages do not need them.
struct Input {
  Burst burst;
  std::array<std::chrono::nanoseconds, kBurst> time;
};

class Replay {
 public:
  Replay(const ReplaySettings& settings, const snapshot::Snapshot& now)
      : settings_(settings),
        now_(now),
        lines_(flow::Cache::lines_for(settings.flows)),
        cache_(lines_),
        services_(highest_service(now) + 1U),
        backends_(now.backends.size()),
        counters_(services_, backends_) {}

  Result<Books> run(const std::function<void(const ReplayVerdict&)>& tell) {
    pool_.reset(rte_pktmbuf_pool_create("replay", kBuffers, 0, 0, kBufferBytes, SOCKET_ID_ANY));
    if (pool_ == nullptr)
      return fail(Errc::kExhausted, "replay", "no packet buffers: {}", rte_strerror(rte_errno));
    auto reader = CaptureReader::open(settings_.in);
    if (!reader) return forward_error(reader);
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

  /// Reads up to a burst. @return whether there may be more.
  Result<bool> fill(CaptureReader& reader, Input& input) {
    input.burst.size = 0;
    while (input.burst.size < kBurst) {
      auto packet = reader.next();
      if (!packet) return forward_error(packet);
      if (!*packet) return false;
      const auto bytes = (*packet)->bytes;
      if (bytes.size() > kLongestFrame)
        return fail(Errc::kUnsupported, settings_.in,
                    "packet {} has {} bytes; at most {} are replayed",
                    counters_.rx_packets.value() + input.burst.size, bytes.size(), kLongestFrame);
      rte_mbuf* m = rte_pktmbuf_alloc(pool_.get());
      SLUICE_ASSERT(m != nullptr, "a burst fits the pool");
      std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(bytes.size())), bytes.data(),
                  bytes.size());
      input.time[input.burst.size] = (*packet)->time;
      input.burst.packet[input.burst.size++] = m;
    }
    return true;
  }

  flow::Tick tick_at(std::chrono::nanoseconds time) {
    if (!started_) start_ = time;
    started_ = true;
    const double seconds =
        std::chrono::duration<double>(time - start_).count() * settings_.time_scale;
    // A capture's clock may jump back; ours does not.
    latest_ = std::max(latest_, std::min(seconds, 1e15));
    return static_cast<flow::Tick>(static_cast<std::uint64_t>(latest_ / flow::kTickSeconds) &
                                   flow::kTickMask);
  }

  void process_and_write(Input& input, CaptureWriter& writer,
                         const std::function<void(const ReplayVerdict&)>& tell) {
    Burst& b = input.burst;
    if (b.size == 0) return;
    for (std::uint16_t i = 0; i < b.size; ++i) counters_.rx_bytes.add(b.packet[i]->pkt_len);
    const std::uint64_t first = counters_.rx_packets.value();
    counters_.rx_packets.add(b.size);
    counters_.bursts.add(1);
    process(b, now_, cache_, tick_at(input.time[0]));
    for (std::uint16_t i = 0; i < b.size; ++i) {
      rte_mbuf* m = b.packet[i];
      if (b.verdict[i] == Verdict::kForward)
        writer.write(
            {input.time[i], {rte_pktmbuf_mtod(m, const std::byte*), m->data_len}, m->pkt_len});
      const bool chosen = b.service[i] != nullptr && b.verdict[i] != Verdict::kNoBackend;
      tell({first + i, b.verdict[i], b.service[i], chosen ? &now_.backends[b.backend[i]] : nullptr,
            chosen ? b.backend[i] : flow::BackendNumber{0}});
      rte_pktmbuf_free(m);
    }
    count(b, counters_);
  }

  const ReplaySettings& settings_;
  const snapshot::Snapshot& now_;
  std::vector<flow::Line> lines_;
  flow::Cache cache_;
  std::vector<Traffic> services_;
  std::vector<Traffic> backends_;
  Counters counters_;
  std::unique_ptr<rte_mempool, FreePool> pool_;
  std::chrono::nanoseconds start_{};
  bool started_ = false;
  double latest_ = 0;
};

}  // namespace

Result<Books> replay(const ReplaySettings& settings, const snapshot::Snapshot& now,
                     const std::function<void(const ReplayVerdict&)>& tell) {
  return Replay(settings, now).run(tell);
}

}  // namespace sluice::dataplane
