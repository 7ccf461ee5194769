// SPDX-License-Identifier: Apache-2.0
// Whom a probe asks, and what all kinds of probes have in common.
//
// Threads: all on the event loop's thread.
#pragma once

#include "base/address.hpp"
#include "config/configuration.hpp"
#include "health/outcome.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sluice::health {

/// The road that a client's packet takes to a backend, for probes of the service's address.
struct Tunnel {
  config::Forwarding forwarding = config::Forwarding::kIpip;
  IpAddress service;          ///< Destination of the inner packet.
  IpAddress source;           ///< Of the outer header (ipip, gue).
  unsigned variant = 1;       ///< Of gue: 0 or 1.
  std::uint16_t port = 6080;  ///< Of gue: UDP destination.
  std::string interface;      ///< Of l2dsr: by which the backend is reached ...
  MacAddress mac;             ///< ... and its MAC address.

  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};

struct Target {
  std::string pool;
  std::string backend;
  IpAddress address;       ///< Of the backend itself.
  std::uint16_t port = 0;  ///< Asked for; resolved already (never "the service's").
  config::Health check;
  std::optional<Tunnel> tunnel = {};  ///< Present when `check.via` is kService.

  friend bool operator==(const Target&, const Target&) = default;
};

/// What a probe found, before the time is put beside it.
struct Finding {
  Fault fault = Fault::kNone;
  std::string detail = {};
  std::optional<double> load = {};  ///< See Outcome::load.
};

/// One target's way of asking: made once, asked again and again, one question at a time. Time-outs
/// are the asker's: a probe waits until it is told to give up.
class Probe {
 public:
  /// Called once for each ask(), perhaps from within it; never after give_up(). It may ask anew
  /// later, but neither ask nor destroy the probe from within.
  using Answered = std::function<void(Finding)>;

  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  virtual ~Probe() = default;  ///< Gives up.

  virtual void ask() = 0;
  virtual void give_up() noexcept = 0;  ///< Nothing when no question is open.
};

/// Of what cannot be asked at all: says so each time, as kLocal.
[[nodiscard]] std::unique_ptr<Probe> make_no_probe(std::string why, Probe::Answered answered);

/// What an errno of connect(), send() or recv() says of the backend; kLocal for all that does not.
[[nodiscard]] Fault fault_of(int error) noexcept;
/// That fault and "DOING: REASON".
[[nodiscard]] Finding failed_by(int error, std::string_view doing);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  SocketAddress(const IpAddress& address, std::uint16_t port) noexcept;
  // sockaddr_* types are one family of layouts; the cast is the interface's own.
  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

/// "10.0.0.1:80" or "[2001:db8::1]:80"
[[nodiscard]] std::string host_and_port(const IpAddress& address, std::uint16_t port);

}  // namespace sluice::health
