// SPDX-License-Identifier: Apache-2.0
// The whole pipeline on packets in memory, as a worker runs it: bursts of 32 TCP segments, every
// packet of another flow until all have had their turn, cache warm. Unit: packets; cycles are TSC
// cycles. BM_Floor does the same with a swap of the MAC addresses in place of the pipeline; nothing
// that touches a packet can be faster. Rows: a base, and one thing at a time that differs from it.
#include "dataplane/eal.hpp"
#include "pipeline_rows.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace sluice::dataplane {
namespace {

using snapshot::Forwarding;
using snapshot::Policy;

constexpr unsigned kMemoryMb = 256;
constexpr std::size_t kManyFlows = 131072;  // of rows about something else than flows

constexpr std::pair<const char*, Forwarding> kModes[] = {{"ipip", Forwarding::kIpip},
                                                         {"l2dsr", Forwarding::kL2dsr},
                                                         {"gue", Forwarding::kGue},
                                                         {"nat", Forwarding::kNat}};

/// Each mode and family by the number of flows, behind the floor of that number.
void register_flows() {
  for (const unsigned family : {4U, 6U})
    for (const std::size_t flows : {1U, 1024U, 16384U, 131072U, 1048576U, 4194304U}) {
      add(fmt::format("BM_Floor/v{}", family), BM_Floor, {.family = family, .flows = flows});
      for (const auto& [name, mode] : kModes)
        if (mode != Forwarding::kNat || flows <= kNatSessions / 2)
          add(fmt::format("BM_Pipeline/{}/v{}", name, family), BM_Pipeline,
              {.forwarding = mode, .family = family, .flows = flows});
      if (flows <= kNatSessions / 2)
        add(fmt::format("BM_Pipeline/nat/v{}/answers", family), BM_Pipeline,
            {.forwarding = Forwarding::kNat, .family = family, .flows = flows, .answers = true});
      add_with_floor("ipip", "/zipf", {.family = family, .flows = flows, .zipf = true});
    }
}

void register_sizes() {
  for (const std::size_t size : {64U, 512U, 1500U})
    for (const auto& [name, mode] : kModes)
      add_with_floor(name, fmt::format("/size:{}", size),
                     {.forwarding = mode, .flows = 1024, .size = size});
}

/// Every packet of a flow that never was: into a cache with room, and into one that is full.
void register_new_flows() {
  for (const auto& [name, mode] : kModes)
    for (const unsigned family : {4U, 6U})
      add_with_floor(name, "/new",
                     {.forwarding = mode, .family = family, .flows = 1024, .mix = Mix::kNew});
  add_with_floor("ipip", "/new_ack", {.flows = 1024, .mix = Mix::kNewAck});
  add_with_floor("ipip", "/new_full", {.flows = 1024, .mix = Mix::kNew, .cache = kCacheFlows});
}

void register_services_and_backends() {
  for (const std::size_t services : {1U, 16U, 1000U, 10000U})
    add_with_floor(
        "ipip", fmt::format("/services:{}", services),
        {.flows = kManyFlows, .services = services, .pools = std::min<std::size_t>(services, 100)});
  for (const std::size_t backends : {4U, 100U, 4000U})
    add_with_floor("ipip", fmt::format("/backends:{}", backends),
                   {.flows = kManyFlows, .backends = backends});
}

/// Every packet a new flow: what a policy costs is what it costs to choose.
void register_policies() {
  constexpr std::pair<const char*, Policy> kPolicies[] = {
      {"maglev", Policy::kMaglev},
      {"random", Policy::kRandom},
      {"round_robin", Policy::kRoundRobin},
      {"weighted_round_robin", Policy::kWeightedRoundRobin},
      {"least_connections", Policy::kLeastConnections},
      {"least_load", Policy::kLeastLoad}};
  for (const auto& [name, policy] : kPolicies)
    add(fmt::format("BM_Pipeline/ipip/v4/new/{}", name), BM_Pipeline,
        {.flows = 1024, .mix = Mix::kNew, .policy = policy});
}

/// Pins the process to the first CPU it may use, and starts DPDK there: with huge pages if they may
/// be used and enough are free.
Result<Eal> start(bool may_use_huge_pages) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  ::sched_getaffinity(0, sizeof cpus, &cpus);
  unsigned cpu = 0;
  while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus)) ++cpu;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  ::sched_setaffinity(0, sizeof cpus, &cpus);

  EalSettings settings;
  settings.file_prefix = fmt::format("sluice-bench-{}", ::getpid());
  settings.lcores = std::to_string(cpu);
  settings.main_lcore = cpu;
  settings.memory_mb = kMemoryMb;
  const bool huge = may_use_huge_pages && preflight(settings).has_value();
  benchmark::AddCustomContext("pages", huge ? "huge" : "ordinary (--no-huge)");
  benchmark::AddCustomContext("cpu", std::to_string(cpu));
  benchmark::AddCustomContext("isa", SLUICE_ISA);
  benchmark::AddCustomContext("compiler", __VERSION__);
  return huge ? Eal::start(settings) : Eal::start_small(kMemoryMb);
}

}  // namespace
}  // namespace sluice::dataplane

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  // Of our own: --no-huge, to compare, and for valgrind, which has no room for DPDK's huge pages;
  // --bursts=N.
  constexpr std::string_view kBursts = "--bursts=";
  bool no_huge = false;
  char** const end = std::remove_if(argv + 1, argv + argc, [&](const char* argument) {
    const std::string_view text(argument);
    no_huge = no_huge || text == "--no-huge";
    if (text.starts_with(kBursts))
      sluice::dataplane::bursts = std::atoll(argument + kBursts.size());
    return text == "--no-huge" || text.starts_with(kBursts);
  });
  argc = static_cast<int>(end - argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto eal = sluice::dataplane::start(!no_huge);
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  benchmark::AddCustomContext("tsc_mhz", std::to_string(rte_get_tsc_hz() / 1'000'000));
  sluice::dataplane::register_flows();
  sluice::dataplane::register_sizes();
  sluice::dataplane::register_new_flows();
  sluice::dataplane::register_flood_and_swaps();
  sluice::dataplane::register_services_and_backends();
  sluice::dataplane::register_policies();
  sluice::dataplane::register_stages();
  sluice::dataplane::register_worker();
  benchmark::RunSpecifiedBenchmarks();
  sluice::dataplane::end_world();
  sluice::dataplane::end_device();
  benchmark::Shutdown();
  return 0;
}
