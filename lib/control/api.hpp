// SPDX-License-Identifier: Apache-2.0
// The admin API: requests to views and changes. The wire contract is docs/reference/api.md.
//
// Threads: slow path.
#pragma once

#include "control/api_route.hpp"
#include "control/capture.hpp"
#include "control/event_log.hpp"
#include "control/model.hpp"
#include "control/views.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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
    const LoadKeeper* load = nullptr;
    /// Called after each change of the model that published: saves, admits, notes who it was.
    std::function<void(const Published&, std::string_view who, std::string_view what)> changed;
    /// Reads the configuration file again, as SIGHUP does; the faults are in Standing::last_reload.
    std::function<Result<Published>(std::string_view who)> reload;
  };

  explicit Api(Parts parts) : parts_(std::move(parts)) {}

  /// Judges a request by its head: 404, 405, 403 (a change, or a secret, by who may only read), and
  /// how long its body may be.
  [[nodiscard]] std::optional<http::Response> admit(const http::Request& request,
                                                    std::size_t& body_bytes);
  [[nodiscard]] http::Answer answer(const http::Request& request);
  /// What /readyz says: why the node is not ready; empty: it is.
  [[nodiscard]] std::string not_ready_because() const {
    return control::not_ready_because(scene());
  }

  /// What its views look at.
  [[nodiscard]] Scene scene() const {
    return {parts_.model,        parts_.fast_path, parts_.standing, parts_.health,
            parts_.announcement, parts_.scale,     parts_.load};
  }

 private:
  friend struct Routes;  // the table's calls

  [[nodiscard]] http::Answer events(const http::Request& request);
  [[nodiscard]] http::Answer flows(const http::Request& request);
  [[nodiscard]] http::Answer trace(const http::Request& request);
  [[nodiscard]] http::Answer captured(const http::Request& request);
  [[nodiscard]] http::Answer add_backend(const http::Request& request, const std::string& pool);
  [[nodiscard]] http::Answer set_weight(const http::Request& request, const std::string& pool,
                                        const std::string& name);
  [[nodiscard]] http::Answer diff(const http::Request& request);
  [[nodiscard]] http::Answer apply(const http::Request& request);
  [[nodiscard]] http::Answer remove_backend(const http::Request& request, const std::string& pool,
                                            const std::string& name);
  [[nodiscard]] http::Answer set_wish(const http::Request& request, const std::string& pool,
                                      const std::string& name, health::Wish wish);
  [[nodiscard]] http::Answer reload(const http::Request& request);
  [[nodiscard]] http::Answer start_capture(const http::Request& request);
  [[nodiscard]] http::Answer stop_capture(const http::Request& request);
  [[nodiscard]] http::Answer scale(const http::Request& request);
  [[nodiscard]] http::Answer scale_history(const http::Request& request);
  [[nodiscard]] http::Answer set_scale(const http::Request& request, const std::string& pool);
  /// Runs a change and answers with what it led to.
  [[nodiscard]] http::Answer change(const http::Request& request, const std::string& what,
                                    const std::function<Result<Published>()>& make);

  Parts parts_;
};

}  // namespace sluice::control
