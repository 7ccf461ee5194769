// SPDX-License-Identifier: Apache-2.0
#include "dataplane/worker.hpp"

#include "base/assert.hpp"
#include "dataplane/encapsulate.hpp"
#include "dataplane/stages.hpp"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <new>
#include <random>

namespace sluice::dataplane {

static_assert(kMostPorts >= RTE_MAX_ETHPORTS, "each port has a counter of its own");
namespace {

// The whole cache is swept in a minute, a few lines every millisecond: long before a tick wraps,
// and soon enough for the counts of active flows, which flows that end without a FIN leave only
// then.
constexpr std::uint64_t kSweepsPerSecond = 1000;
constexpr std::size_t kSweepSeconds = 60;
constexpr std::uint64_t kBeatsPerSecond = 2000;
constexpr unsigned kTransmitAttempts = 4;  // a queue that the kernel drains may need a second push

/// Where NAT sessions are placed is nobody's business, other nodes' included.
HashKey secret_of_its_own() {
  std::random_device random;
  const auto key = parse_hash_key(
      fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random()));
  SLUICE_ASSERT(key, "32 digits are a secret");
  return *key;
}

/// Makes one segment of a packet of several, where the first has room.
bool joined(rte_mbuf& packet) noexcept { return rte_pktmbuf_linearize(&packet) == 0; }

}  // namespace

void Worker::FreeMemory::operator()(void* memory) const noexcept { rte_free(memory); }

Worker::Worker(WorkerSettings settings, const snapshot::Publisher& publisher) noexcept
    : settings_(std::move(settings)), publisher_(&publisher) {
  if (settings_.heartbeat == nullptr) settings_.heartbeat = &beat_;
}

Worker::~Worker() = default;

Result<std::unique_ptr<Worker>> Worker::create(WorkerSettings settings,
                                               const snapshot::Publisher& publisher) {
  std::unique_ptr<Worker> worker(new Worker(std::move(settings), publisher));
  if (auto ready = worker->allocate(); !ready) return forward_error(ready);
  return worker;
}

Result<void> Worker::allocate() {
  const auto zeroed = [&]<class T>(std::size_t count) -> std::span<T> {
    void* memory = rte_zmalloc_socket("worker", count * sizeof(T), alignof(T),
                                      static_cast<int>(rte_lcore_to_socket_id(settings_.lcore)));
    if (memory == nullptr) return {};
    memory_.emplace_back(memory);
    for (std::size_t i = 0; i < count; ++i) new (static_cast<T*>(memory) + i) T();
    return {static_cast<T*>(memory), count};
  };
  const auto lines = zeroed.operator()<flow::Line>(flow::Cache::lines_for(settings_.flows));
  const auto fragments =
      zeroed.operator()<flow::Line>(flow::Cache::lines_for(kFragmentedDatagrams));
  const auto answers = zeroed.operator()<flow::MeterLine>(kAnswerLines);
  const flow::NatShare share(settings_.workers, settings_.number);
  const flow::NatSize sessions = nat_size(settings_.nat_sessions);
  const auto nat =
      zeroed.operator()<NatLine>(flow::NatTable::bytes_for(sessions, share) / sizeof(NatLine) + 1);
  const auto steering = zeroed.operator()<SteeringMemory>(1);
  const auto signals = zeroed.operator()<SignalsMemory>(1);
  const auto services = zeroed.operator()<Traffic>(snapshot::kMostServices);
  const auto backends = zeroed.operator()<Traffic>(snapshot::kMostBackends);
  if (lines.empty() || fragments.empty() || answers.empty() || nat.empty() || steering.empty() ||
      signals.empty() || services.empty() || backends.empty())
    return fail(Errc::kExhausted, fmt::format("worker {}", settings_.number),
                "no memory for a flow cache of {} flows and {} NAT sessions; raise /dpdk/memory_mb "
                "or lower /flow_cache/flows or /flow_cache/nat_sessions",
                settings_.flows, settings_.nat_sessions);
  counters_ = std::make_unique<Counters>(services, backends);
  state_ = std::make_unique<WorkerState>(WorkerMemory{lines,
                                                      fragments,
                                                      answers,
                                                      {.memory = std::as_writable_bytes(nat),
                                                       .size = sessions,
                                                       .share = share,
                                                       .secret = secret_of_its_own(),
                                                       .hand_over = settings_.hand_over},
                                                      steering.data(),
                                                      signals.data()},
                                         rte_get_tsc_hz(), settings_.workers);
  for (std::size_t i = 0; i < settings_.ports.size(); ++i)
    if (settings_.ports[i].sums_udp) state_->udp_sum_ports |= 1U << i;

  tick_cycles_ = rte_get_tsc_hz() * flow::kTickSeconds;
  sweep_cycles_ = rte_get_tsc_hz() / kSweepsPerSecond;
  beat_cycles_ = rte_get_tsc_hz() / kBeatsPerSecond;
  ns_per_cycle_ = (std::uint64_t{1'000'000'000} << 32) / rte_get_tsc_hz();
  start_clocks();
  sweep_lines_ = state_->flows.lines() / (kSweepSeconds * kSweepsPerSecond) + 1;
  return {};
}

Result<void> Worker::launch() {
  if (rte_eal_remote_launch(&Worker::run_on_lcore, this, settings_.lcore) != 0)
    return fail(Errc::kIo, fmt::format("worker {}", settings_.number), "lcore {} is busy",
                settings_.lcore);
  return {};
}

void Worker::join() noexcept { rte_eal_wait_lcore(settings_.lcore); }

int Worker::run_on_lcore(void* self) noexcept {
  static_cast<Worker*>(self)->run();
  return 0;
}

void Worker::run() noexcept {
  snapshot::Reader reader(*publisher_, settings_.number);
  start_clocks();
  while (!stop_.load(std::memory_order_relaxed)) turn(reader);  // pairs with nothing
}

void Worker::start_clocks() noexcept {
  last_turn_ = rte_rdtsc();
  next_tick_ = last_turn_ + tick_cycles_;
  read_clock();
}

void Worker::turn(snapshot::Reader& reader) noexcept {
  const std::uint32_t received = poll(reader);
  const std::uint64_t now = rte_rdtsc();
  (received != 0 ? counters_->busy_cycles : counters_->idle_cycles).add(now - last_turn_);
  last_turn_ = now;
  keep_time(now);
}

// The kernel's clock once a tick, since it is slewed and the TSC is not; from its page, no system
// call where the TSC is what it goes by.
void Worker::read_clock() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  clock_tsc_ = rte_rdtsc();  // behind the clock: a heartbeat is rather late than of the future
  clock_ns_ = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
              static_cast<std::uint64_t>(now.tv_nsec);
}

// Relaxed: the time is all that is said by it.
void Worker::beat(std::uint64_t tsc) noexcept {
  // Both factors without their low 8 bits: the product fits for days, should the worker hang.
  const std::uint64_t since = ((tsc - clock_tsc_) >> 8) * (ns_per_cycle_ >> 8) >> 16;
  std::atomic_ref(*settings_.heartbeat).store(clock_ns_ + since, std::memory_order_relaxed);
  next_beat_ = tsc + beat_cycles_;
}

void Worker::keep_time(std::uint64_t tsc) noexcept {
  if (tsc < next_beat_) return;  // all of the following is due less often
  if (tsc >= next_tick_) {
    state_->tick = (state_->tick + 1) & flow::kTickMask;
    counters_->ticks.add(1);
    next_tick_ += tick_cycles_;
    read_clock();
  }
  beat(std::max(tsc, clock_tsc_));
  if (tsc >= next_sweep_) {
    state_->flows.sweep(sweep_lines_, state_->tick, longest_timeout_);
    state_->fragments.sweep(1, state_->tick, kFragmentTicks);
    state_->nat.sweep(state_->tick);
    state_->steering.sources.sweep(1, state_->tick, longest_timeout_);
    next_sweep_ = tsc + sweep_cycles_;
  }
}

std::uint32_t Worker::poll(snapshot::Reader& reader) noexcept {
  std::array<Burst, 2> bursts;
  Burst& b = bursts[0];
  std::uint32_t received = 0;
  const snapshot::Snapshot& now = reader.current();
  longest_timeout_ = std::max(now.tcp_timeout, now.udp_timeout);
  for (const Queue& queue : settings_.queues) received += poll_queue(queue, bursts, now);
  if (settings_.hand_over != nullptr && settings_.hand_over->rung(settings_.number))
    received += poll_hand_over(b, now);
  if (state_->holds_any()) received += poll_held(b, now);
  for (const WorkerPort& port : settings_.ports)
    if (port.exception) pass_from_host(port);
  counters_->polls.add(1);
  if (received == 0) counters_->empty_polls.add(1);
  reader.quiescent();  // from here on no pointer into `now` is held
  return received;
}

void Worker::receive(const Queue& queue, Burst& b) noexcept {
  b.size = rte_eth_rx_burst(settings_.ports[queue.port].id, queue.queue, b.packet.data(), kBurst);
  b.port = queue.port;
  b.taken = false;
  b.overdue = false;
}

// Behind a full burst there mostly is another: it is received first, so that its flows are on their
// way from memory while the first one is worked on. Under low load nothing waits for anything.
std::uint32_t Worker::poll_queue(const Queue& queue, std::array<Burst, 2>& bursts,
                                 const snapshot::Snapshot& now) noexcept {
  std::uint32_t received = 0;
  std::size_t at = 0;
  receive(queue, bursts[at]);
  for (unsigned n = 1; bursts[at].size != 0; ++n) {
    Burst& next = bursts[at ^ 1];
    next.size = 0;
    if (bursts[at].size == kBurst && n < kBurstsOfPoll) receive(queue, next);
    received += bursts[at].size;
    handle(bursts[at], now, next.size != 0 ? &next : nullptr);
    at ^= 1;
  }
  return received;
}

/// Packets that other workers received and whose NAT sessions are here.
std::uint16_t Worker::poll_hand_over(Burst& b, const snapshot::Snapshot& now) noexcept {
  std::uint16_t received = 0;
  std::array<rte_mbuf*, kBurst> taken;
  for (unsigned from = 0; from < settings_.workers; ++from) {
    if (from == settings_.number) continue;
    const unsigned n = settings_.hand_over->take(from, settings_.number, taken);
    if (n == kBurst) settings_.hand_over->ring_on(settings_.number);  // there may be more
    for (unsigned at = 0; at < n;) {                                  // a burst comes from one port
      b.size = 0;
      b.port = taken[at]->port;
      b.taken = true;
      b.overdue = false;
      while (at < n && taken[at]->port == b.port) b.packet[b.size++] = taken[at++];
      handle(b, now);
    }
    received = static_cast<std::uint16_t>(received + n);
  }
  return received;
}

/// Fragments that were kept until the first one of their datagram came, or for long enough.
std::uint16_t Worker::poll_held(Burst& b, const snapshot::Snapshot& now) noexcept {
  std::uint16_t received = 0;
  state_->cycles = rte_rdtsc();
  while (state_->take_held(b)) {
    received = static_cast<std::uint16_t>(received + b.size);
    handle(b, now);
  }
  return received;
}

/// @param behind  received since; it is handled next.
void Worker::handle(Burst& b, const snapshot::Snapshot& now, Burst* behind) noexcept {
  state_->cycles = rte_rdtsc();
  // Acquire: who sees the tap sees its slots. Pairs with the store in capture_to().
  CaptureTap* const tap = tap_.load(std::memory_order_acquire);
  if (tap != nullptr) [[unlikely]]
    tap->before(b, state_->cycles);
  process(b, now, *state_, behind);
  if (tap != nullptr) [[unlikely]]
    tap->after(b);
  // Packets that process() has handed to another worker are received there.
  std::uint64_t bytes = 0;
  for (std::uint16_t i = 0; i < b.size; ++i) bytes += b.length[i];
  counters_->rx_packets.add(b.size);
  counters_->rx_by_port[b.port].add(b.size);
  counters_->rx_bytes.add(bytes);
  counters_->bursts.add(1);
  transmit(b);
  if (tap != nullptr) [[unlikely]]
    tap->settle(b);
  count(b, *counters_);
}

// What is not sent on: packets for the host go to it by the exception path, all others are freed.
void Worker::settle_unsent(Burst& b) noexcept {
  const WorkerPort& from = settings_.ports[b.port];
  for (std::uint16_t i = 0; i < b.size; ++i) {
    if (is_sent(b.verdict[i])) continue;
    if (b.verdict[i] == Verdict::kHost && !from.kernel_has_copy) {
      if (from.exception && send(*from.exception, {&b.packet[i], 1}) == 1) continue;
      b.verdict[i] = from.exception ? Verdict::kTxFull : Verdict::kNoHostPath;
    }
    rte_pktmbuf_free(b.packet[i]);
  }
}

std::uint16_t Worker::send(std::uint16_t id, std::span<rte_mbuf*> packets) noexcept {
  const auto wanted = static_cast<std::uint16_t>(packets.size());
  std::uint16_t sent = 0;
  for (unsigned attempt = 0; attempt < kTransmitAttempts && sent < wanted; ++attempt)
    sent = static_cast<std::uint16_t>(
        sent + rte_eth_tx_burst(id, settings_.transmit_queue, packets.data() + sent,
                                static_cast<std::uint16_t>(wanted - sent)));
  return sent;
}

/// A whole burst that goes by one port as it is, as nearly all do.
/// @return false when this is none, and nothing was done.
bool Worker::transmit_whole(Burst& b) noexcept {
  std::uint64_t bytes = 0;
  std::uint64_t flags = 0;
  unsigned differing = 0;
  for (std::uint16_t i = 0; i < b.size; ++i) {
    const rte_mbuf& m = *b.packet[i];
    differing |= static_cast<unsigned>(b.verdict[i] != Verdict::kForward);
    differing |= static_cast<unsigned>(b.egress[i] ^ b.egress[0]);
    differing |= static_cast<unsigned>(m.nb_segs ^ 1);
    bytes += m.pkt_len;
    flags |= m.ol_flags;
  }
  if (b.size == 0 || differing != 0) return false;
  const std::uint16_t id = settings_.ports[b.egress[0]].id;
  const std::span<rte_mbuf*> packets(b.packet.data(), b.size);
  if ((flags & RTE_MBUF_F_TX_L4_MASK) != 0) prepare(id, packets);
  for (std::uint16_t i = send(id, packets); i < b.size; ++i) {
    bytes -= b.packet[i]->pkt_len;
    b.verdict[i] = Verdict::kTxFull;
    rte_pktmbuf_free(b.packet[i]);
  }
  counters_->tx_bytes.add(bytes);
  return true;
}

// Packets leave in bundles of one egress port each, in order.
void Worker::transmit(Burst& b) noexcept {
  if (transmit_whole(b)) [[likely]]
    return;
  std::array<rte_mbuf*, kBurst> bundle;
  std::array<std::uint16_t, kBurst> origin;
  std::array<bool, kBurst> done{};
  settle_unsent(b);
  for (std::uint16_t first = 0; first < b.size; ++first) {
    if (done[first] || !is_sent(b.verdict[first])) continue;
    const WorkerPort& to = settings_.ports[b.egress[first]];
    std::uint16_t n = 0;
    std::uint64_t bytes = 0;
    std::uint64_t flags = 0;
    for (std::uint16_t i = first; i < b.size; ++i) {
      if (!is_sent(b.verdict[i]) || done[i] || b.egress[i] != b.egress[first]) continue;
      done[i] = true;
      if (b.packet[i]->nb_segs != 1 && !to.sends_segments && !joined(*b.packet[i])) [[unlikely]] {
        b.verdict[i] = Verdict::kNoRoom;
        rte_pktmbuf_free(b.packet[i]);
        continue;
      }
      bytes += b.packet[i]->pkt_len;
      flags |= b.packet[i]->ol_flags;
      origin[n] = i;
      bundle[n++] = b.packet[i];
    }
    if ((flags & RTE_MBUF_F_TX_L4_MASK) != 0) prepare(to.id, std::span(bundle).first(n));
    const std::uint16_t sent = send(to.id, std::span(bundle).first(n));
    for (std::uint16_t i = sent; i < n; ++i) {
      bytes -= bundle[i]->pkt_len;
      b.verdict[origin[i]] = Verdict::kTxFull;
      rte_pktmbuf_free(bundle[i]);
    }
    counters_->tx_bytes.add(bytes);
  }
}

/// Has the driver look at packets whose checksums are left to it. Those that it does not take so
/// get theirs here.
void Worker::prepare(std::uint16_t id, std::span<rte_mbuf*> packets) noexcept {
  while (!packets.empty()) {
    const std::uint16_t ready = rte_eth_tx_prepare(id, settings_.transmit_queue, packets.data(),
                                                   static_cast<std::uint16_t>(packets.size()));
    if (ready >= packets.size()) return;
    finish_checksum(*packets[ready]);
    packets = packets.subspan(ready + 1U);
  }
}

// Linux's own packets of a port that it cannot reach by itself leave as they are.
void Worker::pass_from_host(const WorkerPort& port) noexcept {
  std::array<rte_mbuf*, kBurst> packets;
  const std::uint16_t queue = settings_.transmit_queue;
  const std::uint16_t n = rte_eth_rx_burst(*port.exception, queue, packets.data(), kBurst);
  if (n == 0) return;
  const std::uint16_t sent = send(port.id, std::span(packets).first(n));
  counters_->from_host.add(sent);
  for (std::uint16_t i = sent; i < n; ++i) rte_pktmbuf_free(packets[i]);
}

}  // namespace sluice::dataplane
