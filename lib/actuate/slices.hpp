// SPDX-License-Identifier: Apache-2.0
// What a Kubernetes API server tells: the scale of a workload, and EndpointSlices page by page.
//
// Threads: pure functions and a value of one thread.
#pragma once

#include "actuate/order.hpp"
#include "base/result.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::actuate {

struct Scale {
  unsigned replicas = 0;
  std::string version;  ///< metadata.resourceVersion: a change is of this one or none.
};
/// @return kInvalid: it is no autoscaling/v1 Scale.
[[nodiscard]] Result<Scale> parse_scale(std::string_view text);

/// The endpoints of a service, gathered from its EndpointSlices.
class Slices {
 public:
  static constexpr unsigned kMostPages = 64;

  /// Adds one page of a list. Endpoints without a name or with an address that no backend may have
  /// are left out and counted; of a pod with several addresses its first IPv4 one counts.
  /// @return the token of the next page, empty at the end; kInvalid: it is no list of slices, or
  ///   there are more pages or endpoints than are read.
  [[nodiscard]] Result<std::string> add(std::string_view text);
  /// By name.
  [[nodiscard]] std::vector<Member> members() const;
  [[nodiscard]] unsigned left_out() const noexcept { return left_out_; }
  /// The pod behind each name: a longer name than a backend may have is cut to its end.
  [[nodiscard]] const std::map<std::string, std::string>& pods() const noexcept { return pods_; }

 private:
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> pods_;
  unsigned pages_ = 0;
  unsigned left_out_ = 0;
};

}  // namespace sluice::actuate
