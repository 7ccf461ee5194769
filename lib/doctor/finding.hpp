// SPDX-License-Identifier: Apache-2.0
// What an examination of a machine found: one line for each thing looked at.
//
// Threads: values.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::doctor {

enum class Level : unsigned char {
  kOk,
  kWarn,  ///< It works, but slower, less safely or not for everybody.
  kFail,  ///< Traffic suffers, or the daemon does not start.
};

struct Finding {
  std::string check;  ///< What was looked at: "huge pages", "backend llama/gpu-1".
  Level level = Level::kOk;
  std::string what;    ///< What it is like, in one sentence without full stop.
  std::string remedy;  ///< One command that mends it, or what to write where; empty with kOk.

  friend bool operator==(const Finding&, const Finding&) = default;
};

class Findings {
 public:
  void ok(std::string check, std::string what) {
    list_.push_back({std::move(check), Level::kOk, std::move(what), {}});
  }
  void warn(std::string check, std::string what, std::string remedy) {
    list_.push_back({std::move(check), Level::kWarn, std::move(what), std::move(remedy)});
  }
  void fail(std::string check, std::string what, std::string remedy) {
    list_.push_back({std::move(check), Level::kFail, std::move(what), std::move(remedy)});
  }
  [[nodiscard]] const std::vector<Finding>& list() const noexcept { return list_; }

 private:
  std::vector<Finding> list_;
};

}  // namespace sluice::doctor
