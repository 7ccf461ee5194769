// SPDX-License-Identifier: Apache-2.0
// The admin API: requests to views and changes. The wire contract is docs/reference/api.md.
//
// Threads: slow path.
#pragma once

#include "control/capture.hpp"
#include "control/event_log.hpp"
#include "control/model.hpp"
#include "control/views.hpp"
#include "http/message.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

class Api {
 public:
  struct Parts {
    Model& model;
    const FastPath& fast_path;
    const Standing& standing;
    EventLog& events;
    Capture& capture;
    const HealthKeeper* health = nullptr;
    const Announcement* announcement = nullptr;
    ScaleKeeper* scale = nullptr;
    /// Called after each change of the model that published: saves, admits, notes who it was.
    std::function<void(const Published&, std::string_view who, std::string_view what)> changed;
    /// Reads the configuration file again, as SIGHUP does; the faults are in Standing::last_reload.
    std::function<Result<Published>(std::string_view who)> reload;
  };

  explicit Api(Parts parts);

  [[nodiscard]] http::Answer answer(const http::Request& request);
  /// What /readyz says: why the node is not ready; empty: it is.
  [[nodiscard]] std::string not_ready_because() const {
    return control::not_ready_because(scene());
  }

 private:
  using Arguments = std::vector<std::string>;  ///< What stands for the "*" of a route's path.
  using Call = std::function<http::Answer(const http::Request&, const Arguments&)>;
  struct Route {
    std::string method;
    std::string path;  ///< "/api/v1/backends/*/*/drain"
    Call call;
  };

  void add_reads();
  void add_changes();
  void add_capture();
  void add_scale();
  [[nodiscard]] Scene scene() const {
    return {parts_.model,  parts_.fast_path,    parts_.standing,
            parts_.health, parts_.announcement, parts_.scale};
  }
  [[nodiscard]] http::Answer events(const http::Request& request);
  [[nodiscard]] http::Answer flows(const http::Request& request);
  [[nodiscard]] http::Answer trace(const http::Request& request);
  [[nodiscard]] http::Answer captured(const http::Request& request);
  [[nodiscard]] http::Answer probe(std::string_view trouble);
  [[nodiscard]] http::Answer add_backend(const http::Request& request, const std::string& pool);
  [[nodiscard]] http::Answer set_weight(const http::Request& request, const std::string& pool,
                                        const std::string& name);
  [[nodiscard]] http::Answer diff(const http::Request& request);
  [[nodiscard]] http::Answer apply(const http::Request& request);
  /// Runs a change and answers with what it led to.
  [[nodiscard]] http::Answer change(const http::Request& request, const std::string& what,
                                    const std::function<Result<Published>()>& make);

  Parts parts_;
  std::vector<Route> routes_;
};

}  // namespace sluice::control
