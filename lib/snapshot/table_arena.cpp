// SPDX-License-Identifier: Apache-2.0
#include "snapshot/table_arena.hpp"

#include <sched.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

namespace sluice::snapshot {
namespace {

cpu_set_t own_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) CPU_SET(0, &cores);
  return cores;
}

// A TBB thread starts with the affinity of the whole process, whatever its creator was pinned to,
// and so would run on a polling core. Each is pinned to the caller's cores as it enters.
class Arena : public tbb::task_scheduler_observer {
 public:
  explicit Arena(const cpu_set_t& cores)
      : tbb::task_scheduler_observer(arena_), cores_(cores), arena_(CPU_COUNT(&cores_)) {
    arena_.initialize();
    observe(true);
  }
  ~Arena() override { observe(false); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void on_scheduler_entry(bool) override { ::sched_setaffinity(0, sizeof cores_, &cores_); }
  void run(const auto& work) { arena_.execute(work); }

 private:
  cpu_set_t cores_;
  tbb::task_arena arena_;
};

}  // namespace

void in_parallel(std::size_t count, const std::function<void(std::size_t)>& piece) {
  const cpu_set_t cores = own_cores();
  if (count <= 1 || CPU_COUNT(&cores) == 1) {
    for (std::size_t i = 0; i < count; ++i) piece(i);
    return;
  }
  // Made for each call: what the caller may use changes when DPDK takes cores for its workers.
  Arena arena(cores);
  arena.run([&] { tbb::parallel_for(std::size_t{0}, count, piece); });
}

}  // namespace sluice::snapshot
