// SPDX-License-Identifier: Apache-2.0
// What a configuration says about health: of backends, and of the node itself.
//
// Threads: values.
#pragma once

#include "base/address.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

/// What a probe asks, and of what servers a preset is.
enum class CheckType : std::uint8_t {
  kTcp,
  kHttp,
  kHttps,
  kGrpc,
  kIcmp,
  kUdp,
  kCommand,
  kVllm,
  kSglang,
  kTriton,
  kTgi,
  kOllama,
  kLlamaCpp,
};

/// Which way a probe takes.
enum class Via : std::uint8_t {
  kBackend,  ///< To the backend's own address.
  kService,  ///< As a client's packet does: by the pool's forwarding, to the service's address.
};

/// Active checks: each backend of the pool is probed.
struct Health {
  CheckType type = CheckType::kTcp;
  Via via = Via::kBackend;
  std::uint16_t port = 0;          ///< 0: where the backend listens, else the service's.
  std::string path = {};           ///< Of HTTP; empty: as the type says.
  std::string host = {};           ///< Of HTTP: Host header; empty: the backend's address.
  std::string expect_status = {};  ///< As in accepts_status(); empty: 200-299.
  std::string expect_body = {};    ///< What the body must contain; empty: nothing.
  std::string load_header = {};    ///< Of HTTP: header that tells the backend's load; empty: none.
  std::string grpc_service = {};   ///< Empty: the server as a whole.
  std::string tls_name = {};       ///< Name in the certificate; empty: `host`, else the address.
  std::string tls_ca = {};         ///< File of trusted certificates; empty: the system's.
  bool tls_verify = true;
  std::vector<std::string> command = {};  ///< Program and arguments.
  std::chrono::milliseconds interval{1000};
  std::chrono::milliseconds fast_interval{0};  ///< While the state may change; 0: the interval.
  double jitter = 0.1;  ///< Share of the interval by which it varies, both ways.
  std::chrono::milliseconds timeout{500};
  unsigned rise = 2;
  unsigned fall = 3;

  /// Whether it asks by HTTP or HTTPS, presets included.
  [[nodiscard]] bool is_http() const noexcept;
  /// The path to ask for: `path`, or what servers of the type answer.
  [[nodiscard]] std::string_view path_asked() const noexcept;

  friend bool operator==(const Health&, const Health&) = default;
};

/// Whether a list such as "200-299,304" has the status; an empty one is 200-299.
[[nodiscard]] bool accepts_status(std::string_view list, unsigned status) noexcept;

/// Passive checks: what the traffic itself tells of a backend; see docs/design/health.md.
struct Outlier {
  unsigned consecutive_failures = 5;  ///< Failed connections in a row that eject; 0: never.
  unsigned silent_flows = 3;          ///< Flows that ask again, while none is answered; 0: never.
  std::chrono::milliseconds window{1000};
  double success_rate_factor = 1.9;  ///< Standard deviations below the mean; 0: never.
  unsigned min_backends = 5;         ///< With enough flows, for a success rate to mean something.
  unsigned min_flows = 100;          ///< Of a backend in an interval, likewise.
  std::chrono::seconds interval{10};
  std::chrono::seconds base_ejection{30};
  std::chrono::seconds max_ejection{300};
  unsigned max_ejection_percent = 10;  ///< Of the pool's backends; one may always go.

  friend bool operator==(const Outlier&, const Outlier&) = default;
};

/// What clients get while no backend takes new flows.
enum class NoBackend : std::uint8_t {
  kRefuse,  ///< An answer at once: TCP reset, ICMP unreachable.
  kDrop,    ///< Silence.
};

/// Probes of upstream routers and anycast checks, answered only while every worker runs.
struct Answer {
  std::vector<IpAddress> addresses = {};  ///< Beside those of services.
  bool icmp_echo = false;
  std::uint16_t udp_port = 0;              ///< What comes to it is sent back; 0: none.
  std::uint16_t tcp_port = 0;              ///< A SYN to it is acknowledged; 0: none.
  std::chrono::milliseconds max_age{100};  ///< Of every worker's last sign of life.

  friend bool operator==(const Answer&, const Answer&) = default;
};

/// Addresses of services on a link, for a routing daemon to announce while the node is ready.
struct Announce {
  std::string link;     ///< Name of the interface.
  bool create = false;  ///< Make an interface of that name where there is none.

  friend bool operator==(const Announce&, const Announce&) = default;
};

}  // namespace sluice::config
