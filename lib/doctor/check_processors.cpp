// SPDX-License-Identifier: Apache-2.0
#include "config/lcores.hpp"
#include "doctor/checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::doctor {
namespace {

// CPUs of the lcores that poll; the main one runs the slow path and needs no quiet.
std::set<unsigned> polling(const config::Dpdk& dpdk) {
  std::set<unsigned> cpus;
  for (const auto& lcore : config::parse_lcores(dpdk.lcores).value_or(std::vector<config::Lcore>()))
    if (lcore.number != dpdk.main_lcore) cpus.insert(lcore.cpu);
  return cpus;
}

// A setting of the kernel's command line, for Debian's boot loader.
std::string at_boot(std::string_view words) {
  return fmt::format(
      "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {}\"' > /etc/default/grub.d/sluice.cfg && "
      "update-grub && reboot",
      words);
}

std::set<unsigned> outside(const std::set<unsigned>& wanted, const std::set<unsigned>& have) {
  std::set<unsigned> missing;
  std::ranges::set_difference(wanted, have, std::inserter(missing, missing.end()));
  return missing;
}

void check_governor(const Machine& machine, const std::set<unsigned>& cpus, Findings& findings) {
  std::set<unsigned> slow;
  std::string found;
  bool known = false;
  for (const auto cpu : cpus) {
    const auto file = fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", cpu);
    const auto governor = machine.text(file);
    if (!governor) continue;
    known = true;
    if (*governor == "performance") continue;
    slow.insert(cpu);
    found = *governor;
  }
  if (slow.empty()) return findings.ok("governor", known ? "performance" : "the machine has none");
  findings.warn("governor", fmt::format("{} on CPU {}", found, processors_text(slow)),
                fmt::format("cpupower -c {} frequency-set -g performance", processors_text(slow)));
}

}  // namespace

void check_processors(const Patient& patient, Findings& findings) {
  if (patient.configuration == nullptr) return;
  const auto& machine = patient.machine;
  const auto& dpdk = patient.configuration->dpdk;
  const auto workers = polling(dpdk);
  const auto online = machine.processors("/sys/devices/system/cpu/online");
  const auto all = dpdk.cpus();
  const auto absent = outside({all.begin(), all.end()}, online);
  if (online.empty() || absent.empty())
    findings.ok("lcores", fmt::format("{} of CPUs {}", dpdk.lcores,
                                      online.empty() ? "unknown" : processors_text(online)));
  else
    findings.fail("lcores", fmt::format("CPU {} is not there or is off", processors_text(absent)),
                  fmt::format("set dpdk.lcores to some of {}", processors_text(online)));

  const auto isolated = machine.processors("/sys/devices/system/cpu/isolated");
  const auto ticking = outside(workers, machine.processors("/sys/devices/system/cpu/nohz_full"));
  const auto shared = outside(workers, isolated);
  const auto cpus = processors_text(workers);
  if (shared.empty() && ticking.empty())
    findings.ok("isolated cores", fmt::format("CPU {} are the workers' alone", cpus));
  else
    findings.warn(
        "isolated cores",
        shared.empty()
            ? fmt::format("the kernel's tick disturbs workers on CPU {}", processors_text(ticking))
            : fmt::format("other processes may run on the workers' CPU {}",
                          processors_text(shared)),
        at_boot(fmt::format("isolcpus=managed_irq,domain,{0} nohz_full={0} rcu_nocbs={0}", cpus)));
  check_governor(machine, workers, findings);
}

}  // namespace sluice::doctor
