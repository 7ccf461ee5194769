// SPDX-License-Identifier: Apache-2.0
// A loop, an actuator's reports, a folder, and stand-in servers of Python.
//
// Threads: the test's.
#pragma once

#include "actuate/actuator.hpp"
#include "base/child_process.hpp"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::actuate::test {

class Rig {
 public:
  Rig();
  ~Rig();

  /// Turns until `condition`; false after 30 seconds.
  bool wait(const std::function<bool()>& condition);
  /// Gives the order and waits for its report.
  Report ask(Actuator& actuator, const Order& order);
  Actuator::OnReport on_report() {
    return [this](const Report& report) { reports.push_back(report); };
  }
  /// Starts tests/actuate/NAME with the folder and `more` as arguments, and waits for its port.
  std::uint16_t serve(const std::string& name, const std::string& more);
  std::string file(const std::string& name, std::string_view content, unsigned mode = 0600);
  [[nodiscard]] std::string path(const std::string& name) const { return folder / name; }
  [[nodiscard]] std::vector<nlohmann::json> lines(const std::string& name) const;

  /// Twenty times as fast as the wall's, so that pauses between attempts are short.
  std::unique_ptr<EventLoop> loop;
  std::vector<Report> reports;

 private:
  std::filesystem::path folder;
  ChildProcesses children_;
};

[[nodiscard]] Order start_of(const std::string& name);

}  // namespace sluice::actuate::test
