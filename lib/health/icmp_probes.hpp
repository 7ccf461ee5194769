// SPDX-License-Identifier: Apache-2.0
// Does a host answer pings? One raw socket a family for all of them.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "health/probe.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

namespace sluice::health {

/// An answer to an echo request, or an error that quotes one.
struct IcmpAnswer {
  bool echo;               ///< An echo reply; else an error.
  std::uint8_t code = 0;   ///< Of an error.
  std::uint16_t id;        ///< Of the request.
  std::uint16_t sequence;  ///< Of the request.
  IpAddress asked = {};    ///< Of an error: the address that the request was sent to.
  std::span<const std::byte> payload = {};  ///< Of a reply: what follows its eight bytes.
};

/// Reads what a raw socket receives: with IPv4 the IP header first, with IPv6 ICMPv6 alone. Any
/// bytes may come; std::nullopt for all that is neither an echo reply nor "unreachable" for one.
[[nodiscard]] std::optional<IcmpAnswer> read_icmp(std::span<const std::byte> packet, bool v4);

class IcmpProbes {
 public:
  /// Opens nothing yet: where raw sockets are forbidden, each answer says so, as kLocal.
  /// @param loop  lives longer, as does this than its probes.
  explicit IcmpProbes(EventLoop& loop) noexcept;
  IcmpProbes(const IcmpProbes&) = delete;
  IcmpProbes& operator=(const IcmpProbes&) = delete;
  ~IcmpProbes();

  [[nodiscard]] std::unique_ptr<Probe> make(const Target& target, Probe::Answered answered);

 private:
  class Question;
  [[nodiscard]] std::optional<Finding> send(Question& question);
  [[nodiscard]] std::optional<Finding> open(bool v4);
  void receive(bool v4);
  void take(std::span<const std::byte> packet, bool v4, const IpAddress& from);

  EventLoop& loop_;
  UniqueFd v4_;
  UniqueFd v6_;
  std::uint16_t id_;
  std::uint16_t last_sequence_ = 0;
  std::unordered_map<std::uint16_t, Question*> open_;  // by sequence
};

}  // namespace sluice::health
