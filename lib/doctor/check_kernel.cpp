// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace sluice::doctor {
namespace {

constexpr std::string_view kNewKernel = "apt install linux-image-amd64";
constexpr unsigned kIpcLock = 14;  // CAP_IPC_LOCK

bool mounted(const Machine& machine, std::string_view type) {
  std::istringstream mounts(machine.text("/proc/mounts").value_or(""));
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device;
    std::string place;
    std::string kind;
    if (words >> device >> place >> kind && kind == type) return true;
  }
  return false;
}

void check_version(const Machine& machine, Findings& findings) {
  const auto release = machine.text("/proc/sys/kernel/osrelease").value_or("");
  unsigned major = 0;
  unsigned minor = 0;
  char dot = 0;
  std::istringstream(release) >> major >> dot >> minor;
  if (major == 0)
    findings.warn("kernel", "its version is not known", "uname -r");
  else if (major < 5 || (major == 5 && minor < 8))
    findings.fail("kernel", fmt::format("{}: the XDP filter needs 5.8 or later", release),
                  std::string(kNewKernel));
  else
    findings.ok("kernel", release);
}

void check_bpf(const Patient& patient, Findings& findings) {
  const auto& machine = patient.machine;
  if (mounted(machine, "bpf"))
    findings.ok("bpf file system", "mounted");
  else
    findings.warn("bpf file system", "not mounted: the filter's maps have nowhere to stay",
                  "mount -t bpf bpf /sys/fs/bpf");
  if (machine.exists("/sys/kernel/btf/vmlinux"))
    findings.ok("btf", "the kernel describes its types");
  else
    findings.warn("btf", "the kernel does not describe its types: BPF programs may not load",
                  std::string(kNewKernel));
  const auto unprivileged = machine.number("/proc/sys/kernel/unprivileged_bpf_disabled");
  if (unprivileged == 0)
    findings.warn("unprivileged bpf", "every user may load BPF programs",
                  "sysctl -w kernel.unprivileged_bpf_disabled=2");
  else
    findings.ok("unprivileged bpf", unprivileged ? "switched off" : "not a setting of this kernel");
}

void check_af_xdp(const Patient& patient, Findings& findings) {
  const auto protocols = "\n" + patient.machine.text("/proc/net/protocols").value_or("");
  if (protocols.find("\nXDP ") != protocols.npos) return findings.ok("af_xdp", "there");
  const bool needed = patient.configuration != nullptr &&
                      std::ranges::any_of(patient.configuration->ports, &config::Port::is_af_xdp);
  if (needed)
    findings.fail("af_xdp", "the kernel has no AF_XDP sockets, and a port needs them",
                  "set the port's \"device\" to \"net_af_packet0,iface=INTERFACE\"");
  else
    findings.ok("af_xdp", "not there, and no port needs it");
}

// Whether the process may lock more memory than its limit: CAP_IPC_LOCK is among its capabilities.
bool may_lock_all(const Machine& machine, const std::string& process) {
  std::istringstream status(machine.text(process + "/status").value_or(""));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:")) {
      std::uint64_t held = 0;
      std::istringstream(line.substr(7)) >> std::hex >> held;
      return (held >> kIpcLock & 1U) != 0;
    }
  return false;
}

void check_locked_memory(const Patient& patient, Findings& findings) {
  const auto process =
      "/proc/" + (patient.daemon ? std::to_string(*patient.daemon) : std::string("self"));
  const auto* const whose = patient.daemon ? "the daemon" : "this user";
  std::istringstream limits(patient.machine.text(process + "/limits").value_or(""));
  constexpr std::string_view kName = "Max locked memory";
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with(kName)) continue;
    std::string most;
    std::istringstream(line.substr(kName.size())) >> most;
    if (most == "unlimited" || may_lock_all(patient.machine, process))
      return findings.ok("locked memory", fmt::format("{} may lock any amount", whose));
    return findings.warn("locked memory", fmt::format("{} may lock {} bytes only", whose, most),
                         "ulimit -l unlimited; of a unit: LimitMEMLOCK=infinity");
  }
  findings.warn("locked memory", "the limit is not known", "ulimit -l");
}

void check_clock(const Patient& patient, Findings& findings) {
  const auto source =
      patient.machine.text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
          .value_or("");
  if (source == "hpet" || source == "acpi_pm" || source == "jiffies" || source == "refined-jiffies")
    findings.warn("clock", fmt::format("the clock source is {}: each look at it is slow", source),
                  "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource");
  else if (patient.clock_is_synchronised == false)
    findings.warn("clock",
                  "not synchronised: schedules, certificates and the times of events are "
                  "as wrong as it is",
                  "timedatectl set-ntp true");
  else
    findings.ok("clock", source.empty() ? "nothing wrong with it" : "by " + source);
}

}  // namespace

void check_kernel(const Patient& patient, Findings& findings) {
  check_version(patient.machine, findings);
  check_bpf(patient, findings);
  check_af_xdp(patient, findings);
  check_locked_memory(patient, findings);
  check_clock(patient, findings);
}

void check_memory(const Patient& patient, Findings& findings) {
  const auto& machine = patient.machine;
  if (patient.configuration == nullptr) return;
  const auto& dpdk = patient.configuration->dpdk;
  if (!dpdk.huge_pages)
    return findings.warn("huge pages", "not used: more TLB misses, slower",
                         "set dpdk.huge_pages to true");
  if (patient.daemon) return findings.ok("huge pages", "the daemon has its own");
  if (!mounted(machine, "hugetlbfs"))
    findings.fail("huge pages", "no hugetlbfs is mounted",
                  "mkdir -p /dev/hugepages && mount -t hugetlbfs nodev /dev/hugepages");
  std::set<unsigned> cpus;
  for (const auto cpu : dpdk.cpus()) cpus.insert(cpu);
  constexpr unsigned kPageMb = 2;
  std::uint64_t in_all = 0;
  std::string by_node;
  std::string first;
  for (const auto& name : machine.names("/sys/devices/system/node")) {
    if (!name.starts_with("node") || name.size() == 4 || name[4] < '0' || name[4] > '9') continue;
    const auto folder = "/sys/devices/system/node/" + name;
    const auto pages = folder + "/hugepages/hugepages-2048kB";
    const auto free = machine.number(pages + "/free_hugepages").value_or(0);
    const auto huge = machine.number(folder + "/hugepages/hugepages-1048576kB/free_hugepages");
    const auto mb = free * kPageMb + huge.value_or(0) * 1024;
    by_node += fmt::format("{}{} MB free on {}", by_node.empty() ? "" : ", ", mb, name);
    const auto local = machine.processors(folder + "/cpulist");
    const bool ours = std::ranges::any_of(cpus, [&](unsigned cpu) { return local.contains(cpu); });
    if (ours) in_all += mb;
    if (ours && first.empty()) first = pages + "/nr_hugepages";
  }
  if (first.empty()) first = "/proc/sys/vm/nr_hugepages";
  // What is there already is in use by others: it stays.
  const auto missing = in_all < dpdk.memory_mb ? dpdk.memory_mb - in_all : 0;
  const auto wanted = machine.number(first).value_or(0) + (missing + kPageMb - 1) / kPageMb;
  if (missing != 0)
    findings.fail("huge pages",
                  fmt::format("{} MB needed where the lcores are, {}", dpdk.memory_mb,
                              by_node.empty() ? "none known" : by_node),
                  fmt::format("echo {} > {}", wanted, first));
  else
    findings.ok("huge pages", by_node);
}

void examine(const Patient& patient, Findings& findings) {
  check_kernel(patient, findings);
  check_memory(patient, findings);
  check_processors(patient, findings);
  check_ports(patient, findings);
  check_ways(patient, findings);
}

}  // namespace sluice::doctor
