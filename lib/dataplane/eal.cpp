// SPDX-License-Identifier: Apache-2.0
#include "dataplane/eal.hpp"

#include "base/log.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace sluice::dataplane {
namespace {

// DPDK's log lines go to our log, and the last errors are kept: rte_eal_init() itself only says -1.
std::string last_words;

ssize_t take_log_line(void*, const char* text, std::size_t size) {
  std::string_view line(text, size);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  if (line.empty()) return static_cast<ssize_t>(size);
  const auto level = rte_log_cur_msg_loglevel();
  if (level > 0 && static_cast<unsigned>(level) <= RTE_LOG_ERR) {
    last_words += last_words.empty() ? "" : "; ";
    last_words += line;
    log("dpdk")->error("{}", line);
  } else {
    log("dpdk")->debug("{}", line);
  }
  return static_cast<ssize_t>(size);
}

void take_over_log() {
  static std::FILE* stream = [] {
    cookie_io_functions_t io{};
    io.write = &take_log_line;
    std::FILE* made = ::fopencookie(nullptr, "w", io);
    if (made != nullptr) std::setvbuf(made, nullptr, _IOLBF, BUFSIZ);
    return made;
  }();
  if (stream != nullptr) rte_openlog_stream(stream);
}

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
  if (!settings.huge_pages) return {};
  const auto free_mb = free_huge_mb();
  if (free_mb >= settings.memory_mb) return {};
  return fail(Errc::kExhausted, "/dpdk/memory_mb",
              "{} MiB of huge pages are wanted and {} MiB are free; reserve them with `sysctl -w "
              "vm.nr_hugepages={}`, or set /dpdk/huge_pages to false",
              settings.memory_mb, free_mb, (settings.memory_mb + 1) / 2);
}

Result<Eal> Eal::start(const EalSettings& settings) {
  std::vector<std::string> arguments = {"-l",
                                        settings.lcores,
                                        "--main-lcore",
                                        std::to_string(settings.main_lcore),
                                        "--file-prefix",
                                        settings.file_prefix,
                                        "-m",
                                        std::to_string(settings.memory_mb)};
  // In memory: nothing is left on hugetlbfs, whichever way the process ends.
  arguments.emplace_back(settings.huge_pages ? "--in-memory" : "--no-huge");
  if (settings.pci_devices.empty()) arguments.emplace_back("--no-pci");
  for (const auto& device : settings.pci_devices) {
    arguments.emplace_back("-a");
    arguments.push_back(device);
  }
  arguments.insert(arguments.end(), settings.extra_args.begin(), settings.extra_args.end());
  return start_with(std::move(arguments));
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
  take_over_log();
  last_words.clear();
  cpu_set_t before;
  CPU_ZERO(&before);
  ::sched_getaffinity(0, sizeof before, &before);
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    return fail(Errc::kIo, "/dpdk",
                "DPDK does not start: {} ({}); check lcores, memory_mb and privileges "
                "(root, or CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_IPC_LOCK)",
                last_words.empty() ? "no reason given" : last_words, rte_strerror(rte_errno));
  leave_worker_cores(before);
  return Eal();
}

Eal::~Eal() {
  if (alive_) rte_eal_cleanup();
}

std::vector<unsigned> Eal::worker_lcores() const {
  std::vector<unsigned> lcores;
  unsigned lcore = 0;
  RTE_LCORE_FOREACH_WORKER(lcore) lcores.push_back(lcore);
  return lcores;
}

}  // namespace sluice::dataplane
