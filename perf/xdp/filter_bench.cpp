// SPDX-License-Identifier: Apache-2.0
// What each verdict of the XDP filter costs, by BPF_PROG_TEST_RUN: the program alone, as the
// kernel's compiler made it, without driver and without a second flow in the caches. Time: of a
// frame.
//   xdp_bench                         (as root; idle machine, one core)
#include "support/packet.hpp"
#include "xdp/contents.hpp"
#include "xdp/filter.skel.h"
#include "xdp/layout.h"
#include "xdp/sandbox.hpp"
#include "xdp/services.hpp"

#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace sluice::xdp {
namespace {

using sluice::test::Bytes;
using sluice::test::Packet;

constexpr const char* kClient = "100.64.0.7";    // beside denied prefixes, in none
constexpr const char* kVip = "203.0.113.10";     // TCP 443, UDP 53
constexpr const char* kClosed = "203.0.113.11";  // likewise, without a backend
constexpr const char* kHost = "203.0.113.1";     // answers probes where that is switched on
constexpr const char* kBackend = "10.0.1.11";
constexpr const char* kClient6 = "2001:db9:1::7";
constexpr const char* kVip6 = "2001:db8:2::10";

/// What the maps hold: services alone; or besides 100,000 denied prefixes, a SYN limit, answered
/// addresses and watched backends.
enum class Duties { kNone, kAll };

struct Unload {
  void operator()(filter_bpf* object) const { filter_bpf__destroy(object); }
};

void check(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

/// The program with its maps filled, and a socket for the worker.
class Program {
 public:
  explicit Program(Duties duties) : object_(filter_bpf__open_and_load()) {
    check(object_ != nullptr, "filter_bpf");
    const auto& maps = object_->maps;
    const std::uint32_t first = 0;
    const int socket = socket_.fd();
    check(bpf_map_update_elem(bpf_map__fd(maps.xsks_map), &first, &socket, 0) == 0, "xsks_map");
    std::vector<ServiceEntry> services;
    for (const char* vip : {kVip, kVip6, kClosed})
      for (const auto& [port, protocol] : {std::pair{443, 6}, std::pair{53, 17}})
        services.push_back({IpAddress::parse(vip).value(), static_cast<std::uint16_t>(port),
                            static_cast<std::uint8_t>(protocol), 1,
                            vip == kClosed ? Takes::kNothing : Takes::kAll});
    check(make_service_map_equal(bpf_map__fd(maps.sluice_services), services, {}).has_value(),
          "services");
    if (duties == Duties::kAll) fill();
  }
  [[nodiscard]] int fd() const { return bpf_program__fd(object_->progs.sluice_filter); }
  void set_syn_room(std::uint64_t slot, std::uint64_t own) {
    settings_.slot_room = slot * settings_.syn_cost;
    settings_.syn_room = own * settings_.syn_cost;
    write_settings();
  }
  void beat(std::uint64_t at) {
    sluice_xdp_beat line{};
    line.nanoseconds = at;
    for (std::uint32_t worker = 0; worker < settings_.workers; ++worker)
      check(bpf_map_update_elem(bpf_map__fd(object_->maps.sluice_beats), &worker, &line, 0) == 0,
            "sluice_beats");
  }

 private:
  void write_settings() {
    const std::uint32_t first = 0;
    check(
        bpf_map_update_elem(bpf_map__fd(object_->maps.sluice_settings), &first, &settings_, 0) == 0,
        "sluice_settings");
  }
  void fill() {
    const auto& maps = object_->maps;
    Contents denied4;
    Contents denied6;
    const std::string value = bytes_of(sluice_xdp_denied{});
    std::independent_bits_engine<std::mt19937, 32, std::uint32_t> random(std::mt19937(1));
    denied4.emplace(bytes_of(sluice_xdp_prefix4{24, __builtin_bswap32(0xc0000200)}), value);
    while (denied4.size() < 50000) {
      const std::uint32_t length = 16 + random() % 17;
      const std::uint32_t address = (random() >> 2U | 0x40000000U) & ~0U << (32 - length);
      denied4.emplace(bytes_of(sluice_xdp_prefix4{length, __builtin_bswap32(address)}), value);
    }
    while (denied6.size() < 50000)
      denied6.emplace(
          bytes_of(sluice_xdp_prefix6{64, {__builtin_bswap32(0x20010db9), random(), 0, 0}}), value);
    const auto put = [](bpf_map* map, const Contents& contents) {
      for (const auto& [key, bytes] : contents)
        check(bpf_map_update_elem(bpf_map__fd(map), key.data(), bytes.data(), 0) == 0,
              bpf_map__name(map));
    };
    put(maps.sluice_deny4, denied4);
    put(maps.sluice_deny6, denied6);
    const auto key = [](const char* address) {
      return bytes_of(key_of(IpAddress::parse(address).value()));
    };
    put(maps.sluice_answers, {{key(kHost), bytes_of(sluice_xdp_answered{})}});
    put(maps.sluice_backends, {{key(kBackend), bytes_of(std::uint32_t{7})}});
    put(maps.sluice_signals, {{bytes_of(std::uint32_t{7}), bytes_of(sluice_xdp_signals{})}});
    settings_.flags =
        SLUICE_XDP_ANSWER_ECHO | SLUICE_XDP_DENY4 | SLUICE_XDP_DENY6 | SLUICE_XDP_OBSERVE;
    settings_.answer_udp = __builtin_bswap16(7);
    settings_.answer_tcp = __builtin_bswap16(8);
    settings_.answer_age = ~std::uint64_t{0} / 4;
    settings_.workers = 4;
    settings_.syn_cost = 1;
    settings_.syn_mask4 = ~0U;
    settings_.secret = 1;
    set_syn_room(1'000'000'000'000, 1'000'000'000'000);
    beat(1);
  }

  std::unique_ptr<filter_bpf, Unload> object_;
  test::MapSocket socket_;
  sluice_xdp_settings settings_{};
};

/// Runs a frame `repeat` times in the kernel. @return nanoseconds a run.
std::uint32_t run(int program, const Bytes& frame, int repeat, xdp_action wanted) {
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data();
  options.data_size_in = static_cast<__u32>(frame.size());
  options.repeat = repeat;
  check(bpf_prog_test_run_opts(program, &options) == 0, "BPF_PROG_TEST_RUN");
  if (options.retval != wanted) {
    std::fprintf(stderr, "action %u, not %u\n", options.retval, static_cast<unsigned>(wanted));
    std::exit(1);
  }
  return options.duration;
}

/// Lets everything pass.
int floor_program() {
  const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
                           {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  static const int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "floor", "GPL", code, 2, nullptr);
  return program;
}

// One iteration is one frame in the report: the kernel repeats it by itself, as it stays as it is.
void repeated(benchmark::State& state, int program, const Bytes& frame, xdp_action wanted) {
  for (auto _ : state) state.SetIterationTime(run(program, frame, 200000, wanted) * 1e-9);
}

// A reply is another frame: one run a call, less what a call of the floor takes.
void single(benchmark::State& state, int program, const Bytes& frame, xdp_action wanted) {
  constexpr int kCalls = 20000;
  double floor = 0;
  for (int i = 0; i < kCalls; ++i)
    floor += run(floor_program(), frame, 1, XDP_PASS) * 1e-9 / kCalls;
  for (auto _ : state) {
    double sum = 0;
    for (int i = 0; i < kCalls; ++i) sum += run(program, frame, 1, wanted) * 1e-9 / kCalls;
    state.SetIterationTime(std::max(sum - floor, 0.0));
  }
}

Packet to(const char* address) { return Packet().eth().ipv4(kClient, address); }
Packet to6() { return Packet().eth().ipv6(kClient6, kVip6); }

void BM_Floor(benchmark::State& state) {
  repeated(state, floor_program(), to(kVip).tcp(1, 443), XDP_PASS);
}

void BM_Verdict(benchmark::State& state, Duties duties, const Bytes& frame, xdp_action wanted) {
  const Program program(duties);
  (wanted == XDP_TX ? single : repeated)(state, program.fd(), frame, wanted);
}

// SYNs of one source: within its slot, within its own bucket, beyond both.
void BM_Syn(benchmark::State& state, std::uint64_t slot, std::uint64_t own, xdp_action wanted) {
  Program program(Duties::kAll);
  program.set_syn_room(slot, own);
  const Bytes frame = to(kVip).tcp(1, 443, wire::kTcpSyn);
  (void)run(program.fd(), frame, 1, XDP_REDIRECT);  // the first of a source always passes
  repeated(state, program.fd(), frame, wanted);
}

void register_all() {
  const auto bounded = [](auto* bench, int iterations) {
    bench->UseManualTime()->Iterations(iterations)->Unit(benchmark::kNanosecond);
  };
  bounded(benchmark::RegisterBenchmark("BM_Floor", BM_Floor), 10);
  const auto verdict = [&](const std::string& name, Duties duties, const Bytes& frame,
                           xdp_action wanted) {
    bounded(benchmark::RegisterBenchmark(("BM_Verdict/" + name).c_str(), BM_Verdict, duties, frame,
                                         wanted),
            wanted == XDP_TX ? 3 : 10);
  };
  for (const auto& [suffix, duties] : {std::pair{"", Duties::kNone}, {"/all", Duties::kAll}}) {
    const auto both = [&, duties = duties, suffix = std::string(suffix)](
                          const std::string& name, const Bytes& frame, xdp_action wanted) {
      verdict(name + suffix, duties, frame, wanted);
    };
    both("redirect/v4", to(kVip).tcp(1, 443), XDP_REDIRECT);
    both("redirect/v6", to6().tcp(1, 443), XDP_REDIRECT);
    both("redirect/udp", to(kVip).udp(1, 53), XDP_REDIRECT);
    both("fragment/v4", to(kVip).fragment(9, true).udp(1, 53), XDP_REDIRECT);
    both("pass/tcp", to(kHost).tcp(1, 22), XDP_PASS);
    both("pass/arp", Packet().eth().arp_request("02:00:00:00:00:02", kClient, kVip), XDP_PASS);
  }
  const Duties all = Duties::kAll;
  verdict("denied/v4", all, Packet().eth().ipv4("192.0.2.7", kVip).tcp(1, 443), XDP_DROP);
  verdict("refused/tcp", all, to(kClosed).tcp(1, 443), XDP_TX);
  verdict("refused/udp", all, to(kClosed).udp(1, 53).payload(64), XDP_TX);
  verdict("answered/echo", all, to(kHost).icmp_echo(1, 1).payload(56), XDP_TX);
  verdict("answered/udp", all, to(kHost).udp(1, 7).payload(56), XDP_TX);
  verdict("answered/tcp", all, to(kHost).tcp(1, 8, wire::kTcpSyn), XDP_TX);
  verdict("observed/syn_ack", all,
          Packet().eth().ipv4(kBackend, kHost).tcp(443, 1, wire::kTcpSyn | wire::kTcpAck),
          XDP_PASS);
  const std::uint64_t much = 1'000'000'000'000;
  bounded(benchmark::RegisterBenchmark("BM_Syn/slot", BM_Syn, much, much, XDP_REDIRECT), 10);
  bounded(benchmark::RegisterBenchmark("BM_Syn/own", BM_Syn, 0, much, XDP_REDIRECT), 10);
  bounded(benchmark::RegisterBenchmark("BM_Syn/limited", BM_Syn, 0, 0, XDP_DROP), 10);
}

}  // namespace
}  // namespace sluice::xdp

int main(int argc, char** argv) {
  using namespace sluice::xdp;
  if (const auto& obstacle = test::enter_sandbox()) {
    std::fprintf(stderr, "cannot measure: %s\n", obstacle->c_str());
    return 1;
  }
  libbpf_set_print(nullptr);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
