// SPDX-License-Identifier: Apache-2.0
// Rows with a device: net_null, which gives buffers of its pool and frees what it is sent. What it
// receives is overwritten with the source's packets.
#include "dataplane/admit.hpp"
#include "dataplane/port.hpp"
#include "dataplane/worker.hpp"
#include "pipeline_rows.hpp"

#include <fmt/format.h>
#include <rte_ethdev.h>

#include <array>
#include <optional>

namespace sluice::dataplane {
namespace {

std::optional<Port> port;          // opened once: a device that was closed does not open again
Source* source_of_port = nullptr;  // of the row at hand

std::uint16_t make_packets(std::uint16_t, std::uint16_t, rte_mbuf* packets[], std::uint16_t count,
                           std::uint16_t, void*) noexcept {
  source_of_port->fill_into(packets, count);
  return count;
}

/// The device, and packets on it from one source.
class Device {
 public:
  explicit Device(Source& source) {
    source_of_port = &source;
    if (port) return;
    PortSettings settings;
    settings.name = "bench";
    settings.device = "net_null0";
    auto opened = Port::open(settings);
    if (!opened) throw std::runtime_error(opened.error().text());
    port.emplace(std::move(*opened));
    if (rte_eth_add_rx_callback(id(), 0, make_packets, nullptr) == nullptr)
      throw std::runtime_error("the device takes no callback");
  }
  [[nodiscard]] static std::uint16_t id() noexcept { return port->id(); }
  void receive(Burst& b) const noexcept {
    b.size = rte_eth_rx_burst(id(), 0, b.packet.data(), kBurst);
    b.port = 0;
  }
  void send(Burst& b) const noexcept { rte_eth_tx_burst(id(), 0, b.packet.data(), b.size); }
};

enum Stage : std::size_t {
  kRx,
  kParse,
  kClassify,
  kAdmit,
  kLookUp,
  kSteer,
  kRewrite,
  kTranslate,
  kAnswer,
  kTx,
  kCount,
  kStages,
  kProcess = kStages,  ///< All between kRx and kTx, as workers run it.
  kWhole,              ///< All of it.
  kNothing,            ///< What reading the clock costs.
  kTurns
};
constexpr std::array<const char*, kStages> kNames = {"rx",      "parse", "classify", "admit",
                                                     "look_up", "steer", "rewrite",  "translate",
                                                     "answer",  "tx",    "count"};

/// The whole pipeline on a device, over and over; each time the clock runs for another stage, then
/// for process() at one stroke, then for everything. What the stages add up to stands beside it.
void BM_Stages(benchmark::State& state, Case of) {
  World& on = world(of);
  const Device device(on.source);
  Burst b;
  std::array<std::uint64_t, kTurns> cycles{};
  std::array<std::uint64_t, kTurns> timed_bursts{};
  const auto timed = [&](Stage stage, Stage turn, auto&& work) {
    if (stage != turn) return work();
    const std::uint64_t start = rte_rdtsc();
    work();
    const std::uint64_t took = rte_rdtsc() - start;
    if (took > kPreempted) return;  // somebody else had the core
    cycles[turn] += took;
    ++timed_bursts[turn];
  };
  const auto by_stages = [&](Stage turn) {
    timed(kRx, turn, [&] { device.receive(b); });
    on.state.cycles += kCyclesOfBurst;
    on.state.adopt(*on.now);
    timed(kParse, turn, [&] { parse(b); });
    timed(kClassify, turn, [&] { classify(b, *on.now); });
    timed(kAdmit, turn, [&] { admit(b, *on.now, on.state); });
    timed(kLookUp, turn, [&] { look_up(b, *on.now, on.state); });
    timed(kSteer, turn, [&] { steer(b, *on.now, on.state); });
    timed(kRewrite, turn, [&] { rewrite(b, *on.now, on.state); });
    timed(kTranslate, turn, [&] {
      on.state.nat.translate(b, *on.now, on.state.tick, on.state.cycles, on.state.signals);
    });
    timed(kAnswer, turn, [&] { answer(b, *on.now, on.state); });
    timed(kTx, turn, [&] { device.send(b); });
    timed(kCount, turn, [&] { count(b, on.counters); });
    timed(kNothing, turn, [] {});
  };
  const auto at_one_stroke = [&](Stage turn) {
    timed(kWhole, turn, [&] {
      device.receive(b);
      on.state.cycles += kCyclesOfBurst;
      timed(kProcess, turn, [&] { process(b, *on.now, on.state); });
      device.send(b);
      count(b, on.counters);
    });
  };
  std::size_t turn = 0;
  std::uint64_t left = kCacheFlows / 2 / kBurst;
  for (auto _ : state) {
    const auto now = static_cast<Stage>(turn);
    now == kProcess || now == kWhole ? at_one_stroke(now) : by_stages(now);
    turn = (turn + 1) % kTurns;
    if (--left == 0) {
      left = kCacheFlows / 2 / kBurst;
      if (of.mix != Mix::kKnown) on.forget_flows();
    }
  }
  const auto of_burst = [&](std::size_t stage) {
    return static_cast<double>(cycles[stage]) /
           static_cast<double>(std::max<std::uint64_t>(1, timed_bursts[stage]));
  };
  const auto of_turn = [&](std::size_t stage) {
    return (of_burst(stage) - of_burst(kNothing)) / kBurst;
  };
  double sum = 0;
  for (std::size_t s = 0; s < kStages; ++s) {
    state.counters[kNames[s]] = of_turn(s);
    sum += of_turn(s);
  }
  state.counters["sum"] = sum;
  state.counters["process"] = of_turn(kProcess);
  state.counters["cycles_per_packet"] = of_turn(kWhole);
  state.SetItemsProcessed(state.iterations() * kBurst);
}

/// What a worker on this device cannot be faster than: receive, swap of addresses, send.
void BM_DeviceFloor(benchmark::State& state, Case of) {
  World& on = world(of);
  const Device device(on.source);
  Burst b;
  const CpuClock clock;
  for (auto _ : state) {
    device.receive(b);
    for (std::uint16_t i = 0; i < b.size; ++i) {
      auto* frame = rte_pktmbuf_mtod(b.packet[i], std::byte*);
      const auto addresses = wire::load<std::array<std::uint32_t, 3>>(frame);
      wire::store(frame, std::array{addresses[1], addresses[2], addresses[0]});
    }
    device.send(b);
  }
  state.counters["cycles_per_packet"] =
      clock.cycles() / static_cast<double>(state.iterations() * kBurst);
  state.SetItemsProcessed(state.iterations() * kBurst);
}

/// Worker::turn(), as its lcore runs it: queues, snapshot, process(), transmit, books, clocks.
void BM_Worker(benchmark::State& state, Case of) {
  end_world();  // room for the worker's own memory
  Source source(of, false);
  const Device device(source);
  auto publisher = snapshot::Publisher::create(tables(of), 1);
  if (!publisher) throw std::runtime_error(publisher.error().text());
  WorkerSettings settings;
  settings.lcore = rte_lcore_id();
  settings.queues = {{0, 0}};
  settings.ports = {{.id = device.id(), .kernel_has_copy = false}};
  settings.flows = static_cast<std::uint32_t>(std::max(kCacheFlows, 2 * of.flows));
  auto worker = Worker::create(settings, **publisher);
  if (!worker) throw std::runtime_error(worker.error().text());
  snapshot::Reader reader(**publisher, 0);
  source.set_flags(wire::kTcpSyn);
  for (std::size_t sent = 0; sent < 2 * of.flows || sent < 2 * kBuffers; sent += kBurst) {
    if (sent >= of.flows) source.set_flags(wire::kTcpAck);
    (*worker)->turn(reader);
  }
  const Counters& books = (*worker)->counters();
  const std::uint64_t forwarded = books.verdicts[0].value();
  const std::uint64_t received = books.rx_packets.value();
  const CpuClock clock;
  for (auto _ : state) (*worker)->turn(reader);
  // A turn takes several bursts, since the device never runs dry.
  const std::uint64_t packets = books.rx_packets.value() - received;
  state.counters["cycles_per_packet"] = clock.cycles() / static_cast<double>(packets);
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  if (books.verdicts[0].value() - forwarded != packets)
    state.SkipWithError("not all packets were forwarded");
}

}  // namespace

void end_device() noexcept { port.reset(); }

void register_stages() {
  using snapshot::Forwarding;
  for (const std::size_t flows : {1024U, 1048576U})
    add("BM_Stages/ipip/v4", BM_Stages, {.flows = flows}, kTurns);
  add("BM_Stages/ipip/v6", BM_Stages, {.family = 6, .flows = 1024});
  add("BM_Stages/l2dsr/v4", BM_Stages, {.forwarding = Forwarding::kL2dsr, .flows = 1024});
  add("BM_Stages/gue/v4", BM_Stages, {.forwarding = Forwarding::kGue, .flows = 1024});
  add("BM_Stages/nat/v4", BM_Stages, {.forwarding = Forwarding::kNat, .flows = 1024});
  add("BM_Stages/ipip/v4/new", BM_Stages, {.flows = 1024, .mix = Mix::kNew});
}

void register_worker() {
  for (const std::size_t flows : {1024U, 131072U, 1048576U}) {
    add("BM_DeviceFloor/v4", BM_DeviceFloor, {.flows = flows});
    for (const auto& [name, mode] : {std::pair("ipip", snapshot::Forwarding::kIpip),
                                     std::pair("l2dsr", snapshot::Forwarding::kL2dsr)})
      add(fmt::format("BM_Worker/{}/v4", name), BM_Worker, {.forwarding = mode, .flows = flows});
  }
}

}  // namespace sluice::dataplane
