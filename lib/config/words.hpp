// SPDX-License-Identifier: Apache-2.0
// The words that a configuration has for its choices, for whoever shows them.
//
// Threads: values.
#pragma once

#include "config/configuration.hpp"

#include <string_view>

namespace sluice::config {

[[nodiscard]] constexpr std::string_view word(Forwarding forwarding) noexcept {
  switch (forwarding) {
    case Forwarding::kL2dsr:
      return "l2dsr";
    case Forwarding::kIpip:
      return "ipip";
    case Forwarding::kGue:
      return "gue";
    case Forwarding::kNat:
      break;
  }
  return "nat";
}

[[nodiscard]] constexpr std::string_view word(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kUdp:
      return "udp";
    case Protocol::kQuic:
      break;
  }
  return "quic";
}

[[nodiscard]] constexpr std::string_view word(Policy policy) noexcept {
  switch (policy) {
    case Policy::kMaglev:
      return "maglev";
    case Policy::kRandom:
      return "random";
    case Policy::kRoundRobin:
      return "round_robin";
    case Policy::kWeightedRoundRobin:
      return "weighted_round_robin";
    case Policy::kLeastConnections:
      return "least_connections";
    case Policy::kLeastLoad:
      break;
  }
  return "least_load";
}

[[nodiscard]] constexpr std::string_view word(Affinity affinity) noexcept {
  switch (affinity) {
    case Affinity::kFiveTuple:
      return "5tuple";
    case Affinity::kSource:
      return "source";
    case Affinity::kQuicCid:
      break;
  }
  return "quic_cid";
}

}  // namespace sluice::config
