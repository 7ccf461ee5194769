// SPDX-License-Identifier: Apache-2.0
// What the machine must be like for a node to run well: one function for each part of it.
//
// Threads: one; reading /proc and /sys does not wait.
#pragma once

#include "config/configuration.hpp"
#include "doctor/finding.hpp"
#include "doctor/machine.hpp"

#include <optional>
#include <string>

namespace sluice::doctor {

/// What is examined. Without a configuration only what every node needs.
struct Patient {
  const Machine& machine;
  const config::Configuration* configuration = nullptr;
  std::optional<unsigned> daemon = {};             ///< Its process, where one runs.
  std::optional<bool> clock_is_synchronised = {};  ///< By the kernel; absent: not known.
};

/// Kernel version, BPF file system, BTF, AF_XDP, unprivileged BPF, locked memory, clock.
void check_kernel(const Patient& patient, Findings& findings);
/// Huge pages: mounted, enough of them, on the nodes of the workers.
void check_memory(const Patient& patient, Findings& findings);
/// Lcores: there, isolated, without ticks, at full speed.
void check_processors(const Patient& patient, Findings& findings);
/// Ports: interface, link, MTU, XDP, IOMMU and vfio, NUMA node against lcores.
void check_ports(const Patient& patient, Findings& findings);
/// Tunnel overhead against the ports' MTU, reverse path filter.
void check_ways(const Patient& patient, Findings& findings);

/// All of these, in this order.
void examine(const Patient& patient, Findings& findings);

/// Bytes that a pool's tunnel puts before a client's packet on the way to this backend.
[[nodiscard]] unsigned tunnel_overhead(const config::Pool& pool, const IpAddress& backend);

}  // namespace sluice::doctor
