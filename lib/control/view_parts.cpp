// SPDX-License-Identifier: Apache-2.0
#include "control/view_parts.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstring>

namespace sluice::control {

const PoolChanges* changes_of(const Scene& scene, const std::string& pool) {
  const auto& pools = scene.model.operator_state().pools;
  const auto found = pools.find(pool);
  return found == pools.end() ? nullptr : &found->second;
}

std::string_view word(health::Wish wish) noexcept {
  return wish == health::Wish::kServe ? "none" : health::name(wish);
}

NextHop next_hop_of(const Scene& scene, const IpAddress& address, config::Forwarding forwarding) {
  const Reach& reach = scene.model.reach(address);
  NextHop out;
  if (const auto* hop = usable_hop(reach, forwarding); hop != nullptr) {
    out.mac = hop->destination;
    out.port = scene.model.ports()[hop->port].name;
  }
  out.configured = reach.configured;
  out.problem = problem_of(reach, forwarding);
  return out;
}

Json to_json(const NextHop& hop) {
  Json::object_t out;  // as of a BackendRow: one for each backend
  out.reserve(5);
  out.emplace_back("resolved", hop.mac.has_value());
  out.emplace_back("mac", hop.mac ? hop.mac->text() : "");
  out.emplace_back("port", hop.port);
  out.emplace_back("source", hop.configured ? "configuration" : "kernel");
  out.emplace_back("problem", hop.problem);
  return out;
}

std::string address_text(const std::uint32_t* words, std::uint8_t family) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), words, family == 4 ? 4 : bytes.size());
  if (family == 6) return IpAddress::v6(bytes).text();
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}).text();
}

}  // namespace sluice::control
