// SPDX-License-Identifier: Apache-2.0
// Writes the reference page of metrics: metrics_page FILE.
#include "control/metric_families.hpp"

#include <cstdio>
#include <fstream>

int main(int count, char** words) {
  if (count != 2) {
    std::fputs("usage: metrics_page FILE\n", stderr);
    return 2;
  }
  std::ofstream file(words[1]);
  file << sluice::control::metrics_page();
  return file.flush() ? 0 : 1;
}
