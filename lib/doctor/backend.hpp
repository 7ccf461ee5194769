// SPDX-License-Identifier: Apache-2.0
// Why a backend gets no traffic: what is asked of each, what it answered, and what that means.
//
// Threads: values and pure functions.
#pragma once

#include "config/configuration.hpp"
#include "doctor/finding.hpp"
#include "health/outcome.hpp"
#include "netlink/next_hops.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::doctor {

struct BackendQuestion {
  std::string pool;
  std::string backend;
  IpAddress address;
  std::uint32_t weight = 100;
  config::Forwarding forwarding = config::Forwarding::kIpip;
  std::optional<config::Encapsulation> encapsulation = {};
  std::optional<IpAddress> service = {};  ///< Whose packets it gets; absent: no service's.
  std::uint16_t port = 0;                 ///< Where its server listens; 0: not known.
  bool udp = false;                       ///< The service is not TCP's.
  std::optional<config::Health> health = {};
  std::uint16_t health_port = 0;
  unsigned mtu = 0;        ///< Longest packet that goes there, bytes.
  bool neighbour = false;  ///< The file says how it is reached: the kernel need not know.

  [[nodiscard]] std::string name() const { return pool + "/" + backend; }
};

struct BackendAnswer {
  netlink::NextHop hop;
  bool echo = false;          ///< A short echo request was answered.
  unsigned longest_echo = 0;  ///< Bytes of the longest one that was; 0: none.
  // Absent: not asked.
  std::optional<health::Outcome> server = {};   ///< A connection to its own address.
  std::optional<health::Outcome> tunnel = {};   ///< To its own address through the tunnel.
  std::optional<health::Outcome> service = {};  ///< To the service's, as a client's packet comes.
  std::optional<health::Outcome> check = {};    ///< Its health check.
};

/// One question for each backend of the configuration that is worth asking, at most `most`.
[[nodiscard]] std::vector<BackendQuestion> backend_questions(
    const config::Configuration& configuration, std::size_t most);

/// Says what is wrong with the backend and how to mend it; or that nothing is.
void judge(const BackendQuestion& question, const BackendAnswer& answer, Findings& findings);

/// Who else answers ARP requests for a service's address.
struct Claim {
  IpAddress address;
  MacAddress mac;
  std::string interface;
  std::string backend;  ///< "POOL/NAME" of the backend that has this MAC; empty: somebody else.
};
void judge(const Claim& claim, Findings& findings);

}  // namespace sluice::doctor
