// SPDX-License-Identifier: Apache-2.0
// Configurations for tests: the sample, and the documents of accepted.json and refused.json.
//
// Threads: one test at a time.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace sluice::config {

struct TestDocument {
  std::string name;                 ///< A name that a test may have.
  std::string text;                 ///< What the file holds.
  std::vector<std::string> faults;  ///< Lines that `sluiced check` prints for it.
};

inline void PrintTo(const TestDocument& document, std::ostream* out) { *out << document.text; }

/// The sample of the documentation: every key that a first reader meets.
[[nodiscard]] std::string sample();
/// The sample, changed as each entry of a file beside this header says.
[[nodiscard]] std::vector<TestDocument> documents(const std::string& file);

}  // namespace sluice::config
