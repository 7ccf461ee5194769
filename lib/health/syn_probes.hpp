// SPDX-License-Identifier: Apache-2.0
// Does a backend listen at the service's address? A SYN by the road that clients' packets take,
// answered straight to us. It finds a backend that lost the address or its end of the tunnel.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "health/probe.hpp"
#include "health/syn_packet.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

namespace sluice::health {

/// For forwarding l2dsr, ipip and gue. Answers come from the service's address, which may be an
/// address of this node, too; the kernel would drop them before any socket of TCP. So they are
/// read at the packet layer, where a filter in the kernel passes SYN-ACK and RST alone. A random
/// sequence number tells each probe's answer from others' and from forgeries.
class SynProbes {
 public:
  /// Opens nothing until there is a probe. Where packet sockets are forbidden each answer says so,
  /// as kLocal.
  /// @param loop  lives longer, as does this than its probes.
  explicit SynProbes(EventLoop& loop) noexcept : loop_(loop) {}
  SynProbes(const SynProbes&) = delete;
  SynProbes& operator=(const SynProbes&) = delete;
  ~SynProbes();

  /// @param target  with a tunnel.
  [[nodiscard]] std::unique_ptr<Probe> make(const Target& target, Probe::Answered answered);

 private:
  class Question;
  [[nodiscard]] std::optional<Finding> open();
  void close() noexcept;
  void receive();
  void take(std::span<const std::byte> packet);
  [[nodiscard]] std::optional<Finding> send(const Target& target,
                                            std::span<const std::byte> packet);

  EventLoop& loop_;
  UniqueFd answers_;
  UniqueFd v4_;  // raw: whole IP packets with any source
  UniqueFd v6_;
  std::size_t probes_ = 0;
  std::unordered_map<std::uint32_t, Question*> open_;  // by the acknowledgement that is waited for
};

}  // namespace sluice::health
