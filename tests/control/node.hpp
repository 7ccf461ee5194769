// SPDX-License-Identifier: Apache-2.0
// A whole node in the test's own process: a real fast path on a device that receives nothing.
#pragma once

#include "control/api.hpp"
#include "control/health_keeper.hpp"
#include "control/sample.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sluice::control {

/// DPDK starts once a process, so the fast path outlives the tests; each test has a fresh model.
class Node {
 public:
  /// Null, with the reason in `why`, where the machine has no second CPU for a worker.
  static FastPath* fast_path(std::string& why);

  explicit Node(FastPath& fast_path, config::Configuration configuration);
  /// Asks the API; `path` may have a query of plain key=value pairs.
  http::Response ask(const std::string& method, const std::string& path,
                     const std::string& body = {});
  /// Keeps the health of its backends, of which nobody is told.
  [[nodiscard]] std::unique_ptr<HealthKeeper> health_keeper(EventLoop& loop);

  FastPath& fast_path_;
  std::unique_ptr<Model> model;
  std::unique_ptr<snapshot::Publisher> publisher;
  Standing standing;
  EventLog events;
  std::vector<std::string> changes;  ///< "WHO: WHAT" of each.
  Result<Published> reload_result = fail(Errc::kInvalid, "file", "is faulty");
  std::chrono::steady_clock::time_point now{};  ///< The capture's clock.
  std::vector<dataplane::CaptureTap*> taps{1};  ///< Of the workers; null: none.
  std::unique_ptr<Capture> capture;
  std::unique_ptr<Api> api;
};

}  // namespace sluice::control
