// SPDX-License-Identifier: Apache-2.0
// DPDK's environment: started once a process, from settings instead of a command line.
//
// Threads: the thread that calls start() becomes the main lcore's; the slow path.
#pragma once

#include "base/result.hpp"

#include <string>
#include <vector>

namespace sluice::dataplane {

struct EalSettings {
  std::string file_prefix;  ///< Keeps two instances on one host apart.
  std::string lcores;       ///< "0-3,6", "0@0,1@0"
  unsigned main_lcore = 0;
  std::vector<unsigned> cpus;  ///< Those that `lcores` names, for preflight().
  bool huge_pages = true;
  /// Whether other processes (`dpdk-dumpcap`) may attach: memory is shared by files on hugetlbfs.
  bool multi_process = false;
  unsigned memory_mb = 256;
  std::vector<std::string> pci_devices;  ///< Devargs of PCI devices; all others are left alone.
  std::vector<std::string> extra_args;   ///< Handed on unread.
};

/// What can be told wrong without starting anything: CPUs that are not there, huge pages too few or
/// not to be shared. Takes back those that a killed process of this file prefix left behind.
/// @return kNotFound or kExhausted with the remedy in the message.
[[nodiscard]] Result<void> preflight(const EalSettings& settings);

/// DPDK as long as it lives.
class Eal {
 public:
  /// Starts DPDK and leaves the calling thread on the cores that no worker has.
  /// @return kIo with DPDK's own last words and the likely remedy. A process can try once.
  [[nodiscard]] static Result<Eal> start(const EalSettings& settings);
  /// Small, without huge pages, devices, files or privileges: for replay, tests and benchmarks.
  [[nodiscard]] static Result<Eal> start_small(unsigned memory_mb);
  ~Eal();
  Eal(Eal&& other) noexcept;
  Eal& operator=(Eal&&) = delete;
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  /// Every lcore but the main one, in order.
  [[nodiscard]] std::vector<unsigned> worker_lcores() const;

 private:
  Eal() noexcept = default;
  [[nodiscard]] static Result<Eal> start_with(std::vector<std::string> arguments);
  bool alive_ = true;
  std::string shared_prefix_;  ///< Of the files that other processes attach by; empty: none.
};

}  // namespace sluice::dataplane
