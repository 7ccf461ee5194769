// SPDX-License-Identifier: Apache-2.0
// Several workers' pipelines at once in one process, on one snapshot, for callgrind: what a packet
// costs each of them must not depend on how many there are. Usage: workers_count WORKERS BURSTS
#include "dataplane/eal.hpp"
#include "pipeline_world.hpp"

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::dataplane {
namespace {

int run(std::size_t workers, std::size_t bursts) {
  const Case of{.flows = 1024, .cache = 1U << 14};
  std::vector<std::unique_ptr<World>> worlds;
  for (std::size_t n = 0; n < workers; ++n) worlds.push_back(std::make_unique<World>(of));
  // All on the tables of the first one, as the workers of a node.
  for (std::size_t n = 1; n < workers; ++n) worlds[n]->now.reset(worlds[0]->now.get());
  std::barrier begin(static_cast<std::ptrdiff_t>(workers));
  std::vector<std::thread> threads;
  for (auto& world : worlds)
    threads.emplace_back([&begin, &on = *world, bursts] {
      Burst b;
      begin.arrive_and_wait();
      for (std::size_t i = 0; i < bursts; ++i) {
        on.run(b);
        count(b, on.counters);
      }
    });
  for (auto& thread : threads) thread.join();
  std::uint64_t packets = 0;
  for (std::size_t n = 0; n < workers; ++n) {
    for (const auto& verdict : worlds[n]->counters.verdicts) packets += verdict.value();
    if (n != 0) static_cast<void>(worlds[n]->now.release());
  }
  std::printf("%zu workers, %llu packets\n", workers, static_cast<unsigned long long>(packets));
  return packets == workers * bursts * kBurst ? 0 : 1;
}

}  // namespace
}  // namespace sluice::dataplane

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s WORKERS BURSTS\n", argv[0]);
    return 2;
  }
  const auto eal = sluice::dataplane::Eal::start_small(512);
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  return sluice::dataplane::run(std::strtoul(argv[1], nullptr, 10),
                                std::strtoul(argv[2], nullptr, 10));
}
