// SPDX-License-Identifier: Apache-2.0
// A Deployment or StatefulSet as actuator: its scale subresource is written, the EndpointSlices of
// its Service are read.
//
// Threads: the event loop's.
#pragma once

#include "actuate/requests.hpp"
#include "actuate/retrying.hpp"
#include "actuate/slices.hpp"

namespace sluice::actuate {

/// By count. A change of the scale is of the version that was read or none, so that a hand that
/// changes it at the same time is not overruled unseen. Before a Deployment's count goes down the
/// pod that is to go gets the annotation controller.kubernetes.io/pod-deletion-cost=-100.
class Kubernetes final : public Retrying {
 public:
  static constexpr std::size_t kLongestPage = std::size_t{4} << 20U;  ///< Bytes.
  static constexpr unsigned kPageSize = 200;                          ///< Slices.

  /// @return kInvalid, kNotFound or kIo: the token file is not as read_secret() wants it.
  [[nodiscard]] static Result<std::unique_ptr<Kubernetes>> open(EventLoop& loop,
                                                                const config::Actuator& settings,
                                                                const Context& context,
                                                                OnReport report);
  [[nodiscard]] const Ability& ability() const noexcept override { return ability_; }

 private:
  using Then = std::function<void(const Requests::Answer&)>;
  Kubernetes(EventLoop& loop, const config::Actuator& settings, const Context& context,
             OnReport report, std::unique_ptr<Requests> requests);
  void attempt(const Order& order, Ended ended) override;
  void ask(std::string method, const std::string& path, std::string body, const Ended& ended,
           Then then);
  void set_count(const Order& order, const Ended& ended);
  void mark(const Order& order, const Ended& ended);
  void list(const Order& order, const Ended& ended);
  void next_page(const std::shared_ptr<Slices>& slices, const std::string& token, unsigned count,
                 const Ended& ended);

  Ability ability_{.by_count = true, .lists = true};
  std::string url_;
  std::string space_;  ///< "/namespaces/NAME"
  std::string workload_;
  std::string endpoints_;
  std::string token_file_;
  std::map<std::string, std::string> pods_;  ///< By the names that were told.
  std::unique_ptr<Requests> requests_;
};

}  // namespace sluice::actuate
