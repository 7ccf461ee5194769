// SPDX-License-Identifier: Apache-2.0
// DPDK's words: lines of our log while it runs; the reason of our one error while it is being set
// up.
//
// Threads: slow path; never a worker.
#pragma once

#include <cstdio>
#include <string>

namespace sluice::dataplane {

/// The log lines of DPDK, and of libxdp under it, go to our log from here on.
void take_over_dpdk_log();

/// As long as it lives, DPDK's errors, also those that it prints to stderr past its log, are kept
/// instead of shown: its functions return -1, and only their words say why. One at a time.
class DpdkWords {
 public:
  DpdkWords();
  ~DpdkWords();
  DpdkWords(const DpdkWords&) = delete;
  DpdkWords& operator=(const DpdkWords&) = delete;

  /// What was said so far, each thing once, joined by "; ". Empty when nothing was.
  [[nodiscard]] std::string text() const;

 private:
  std::FILE* stderr_before_;
};

}  // namespace sluice::dataplane
