// SPDX-License-Identifier: Apache-2.0
#include "dataplane/eal.hpp"

#include "base/log.hpp"
#include "dataplane/dpdk_log.hpp"
#include "dataplane/huge_files.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pdump.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

namespace sluice::dataplane {
namespace {

std::size_t number_in(const std::filesystem::path& file) {
  std::size_t number = 0;
  std::ifstream(file) >> number;
  return number;
}

// Free huge pages of every size, in MiB.
std::size_t free_huge_mb() {
  std::size_t mb = 0;
  std::error_code unreadable;
  for (const auto& size :
       std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", unreadable)) {
    const std::string name = size.path().filename();  // "hugepages-2048kB"
    std::size_t kb = 0;
    const auto digits = name.find_first_of("0123456789");
    if (digits == std::string::npos) continue;
    std::from_chars(name.data() + digits, name.data() + name.size(), kb);
    mb += number_in(size.path() / "free_hugepages") * kb / 1024;
  }
  return mb;
}

// The one sure way to learn whether threads may run there: online, and in the process's cpuset.
bool can_run_on(unsigned cpu, const cpu_set_t& before) {
  if (cpu >= CPU_SETSIZE) return false;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  const bool can = ::sched_setaffinity(0, sizeof one, &one) == 0;
  ::sched_setaffinity(0, sizeof before, &before);
  return can;
}

Result<void> check_lcores(const EalSettings& settings) {
  cpu_set_t before;
  CPU_ZERO(&before);
  if (::sched_getaffinity(0, sizeof before, &before) != 0) return {};
  for (const unsigned cpu : settings.cpus)
    if (!can_run_on(cpu, before))
      return fail(Errc::kNotFound, "/dpdk/lcores",
                  "there is no CPU {} for this process, which '{}' asks for; this machine has {} "
                  "online (`lscpu --extended`)",
                  cpu, settings.lcores, ::sysconf(_SC_NPROCESSORS_ONLN));
  return {};
}

Result<void> check_sharing(const EalSettings& settings) {
  const auto folders = huge_page_folders();
  if (folders.empty())
    return fail(Errc::kNotFound, "/dpdk/multi_process",
                "other processes share huge pages by files on hugetlbfs, which is mounted nowhere "
                "that this process may write; mount it with `mount -t hugetlbfs none "
                "/dev/hugepages`, or set /dpdk/multi_process to false");
  for (const auto& folder : folders) remove_left_huge_files(folder, settings.file_prefix);
  return {};
}

// DPDK pins its main thread to one lcore. The slow path may use every core that no worker has.
void leave_worker_cores(const cpu_set_t& before) {
  cpu_set_t cores = before;
  unsigned lcore = 0;
  RTE_LCORE_FOREACH_WORKER(lcore) {
    const rte_cpuset_t workers = rte_lcore_cpuset(lcore);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &workers)) CPU_CLR(cpu, &cores);
  }
  if (CPU_COUNT(&cores) > 0) ::sched_setaffinity(0, sizeof cores, &cores);
}

}  // namespace

Result<void> preflight(const EalSettings& settings) {
  if (auto there = check_lcores(settings); !there) return there;
  if (!settings.huge_pages) return {};
  if (settings.multi_process)
    if (auto can = check_sharing(settings); !can) return can;
  const auto free_mb = free_huge_mb();
  if (free_mb >= settings.memory_mb) return {};
  return fail(Errc::kExhausted, "/dpdk/memory_mb",
              "{} MiB of huge pages are wanted and {} MiB are free; reserve them with `sysctl -w "
              "vm.nr_hugepages={}`, or set /dpdk/huge_pages to false",
              settings.memory_mb, free_mb, (settings.memory_mb + 1) / 2);
}

Result<Eal> Eal::start(const EalSettings& settings) {
  std::vector<std::string> arguments = {
      "--lcores",      settings.lcores,      "--main-lcore", std::to_string(settings.main_lcore),
      "--file-prefix", settings.file_prefix, "-m",           std::to_string(settings.memory_mb)};
  // In memory: nothing is left on hugetlbfs, whichever way the process ends. Nobody can attach.
  if (!settings.huge_pages)
    arguments.emplace_back("--no-huge");
  else if (!settings.multi_process)
    arguments.emplace_back("--in-memory");
  if (settings.pci_devices.empty()) arguments.emplace_back("--no-pci");
  for (const auto& device : settings.pci_devices) {
    arguments.emplace_back("-a");
    arguments.push_back(device);
  }
  arguments.insert(arguments.end(), settings.extra_args.begin(), settings.extra_args.end());
  auto eal = start_with(std::move(arguments));
  if (!eal || !settings.multi_process) return eal;
  eal->shared_prefix_ = settings.file_prefix;
  if (rte_pdump_init() != 0)
    return fail(Errc::kIo, "/dpdk/multi_process",
                "DPDK does not offer captures to other processes: {}", rte_strerror(rte_errno));
  return eal;
}

Result<Eal> Eal::start_small(unsigned memory_mb) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof cores, &cores);
  std::size_t first = 0;
  while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &cores)) ++first;
  return start_with({"--lcores", fmt::format("0@{}", first), "--no-huge", "-m",
                     std::to_string(memory_mb), "--no-pci", "--no-shconf", "--no-telemetry",
                     "--file-prefix", fmt::format("sluice-small-{}", ::getpid())});
}

Result<Eal> Eal::start_with(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"sluice", "--log-level=warning"});
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  take_over_dpdk_log();
  cpu_set_t before;
  CPU_ZERO(&before);
  ::sched_getaffinity(0, sizeof before, &before);
  std::string words;
  int started = 0;
  {
    const DpdkWords heard;
    started = rte_eal_init(static_cast<int>(argv.size()), argv.data());
    words = heard.text();
  }
  if (started < 0)
    return fail(Errc::kIo, "/dpdk",
                "DPDK does not start: {} ({}); check lcores, memory_mb and privileges "
                "(root, or CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_IPC_LOCK)",
                words.empty() ? "no reason given" : words, rte_strerror(rte_errno));
  if (!words.empty()) log("dpdk")->warn("{}", words);
  leave_worker_cores(before);
  return Eal();
}

Eal::Eal(Eal&& other) noexcept
    : alive_(std::exchange(other.alive_, false)), shared_prefix_(std::move(other.shared_prefix_)) {}

Eal::~Eal() {
  if (!alive_) return;
  const std::filesystem::path directory = rte_eal_get_runtime_dir();
  if (!shared_prefix_.empty()) rte_pdump_uninit();
  rte_eal_cleanup();
  std::error_code failed;
  if (!shared_prefix_.empty()) {
    // Else huge pages that nobody uses would stay taken up to the next start.
    for (const auto& folder : huge_page_folders()) remove_left_huge_files(folder, shared_prefix_);
    std::filesystem::remove_all(directory, failed);
    return;
  }
  // DPDK makes a directory for each process that runs by a name of its own; an empty one goes.
  std::filesystem::remove(directory, failed);
}

std::vector<unsigned> Eal::worker_lcores() const {
  std::vector<unsigned> lcores;
  unsigned lcore = 0;
  RTE_LCORE_FOREACH_WORKER(lcore) lcores.push_back(lcore);
  return lcores;
}

}  // namespace sluice::dataplane
