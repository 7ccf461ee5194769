// SPDX-License-Identifier: Apache-2.0
// grpc.health.v1 on the wire: the question, and what an answer says.
//
// Threads: pure functions.
#pragma once

#include "health/probe.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sluice::health {

inline constexpr std::string_view kGrpcHealthPath = "/grpc.health.v1.Health/Check";

/// A HealthCheckRequest in a gRPC message: five bytes before it, no compression. An empty service
/// asks for the server as a whole.
[[nodiscard]] std::string grpc_health_request(std::string_view service);

/// What a server answered, in pieces that it may or may not have sent.
struct GrpcAnswer {
  long http_status = 0;
  std::optional<std::string> grpc_status = {};  ///< Of header or trailer, as it stood there.
  std::string grpc_message = {};
  std::string body = {};  ///< Bounded by who read it.
};

/// Fault::kNone for one whole HealthCheckResponse that says SERVING with grpc-status 0; kStatus
/// when the server says anything else, kProtocol when it is no such answer. Any bytes may come.
[[nodiscard]] Finding judge_grpc(const GrpcAnswer& answer);

}  // namespace sluice::health
