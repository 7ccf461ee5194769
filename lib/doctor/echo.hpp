// SPDX-License-Identifier: Apache-2.0
// How long a packet may be on the way to a host and back: echo requests of several lengths, none
// of which may be cut into fragments.
//
// Threads: all on the event loop's thread.
#pragma once

#include "base/address.hpp"
#include "base/event_loop.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace sluice::doctor {

class Echoes {
 public:
  explicit Echoes(EventLoop& loop) noexcept : loop_(loop) {}
  ~Echoes();
  Echoes(const Echoes&) = delete;
  Echoes& operator=(const Echoes&) = delete;

  /// Sends one request for each of `lengths` (bytes of the IP packet), at most 16 to at most 4096
  /// hosts. @return false when it may not (needs CAP_NET_RAW) or cannot.
  bool ask(const IpAddress& host, const std::vector<unsigned>& lengths);

  /// Length of the longest that came back; 0: none did.
  [[nodiscard]] unsigned longest(const IpAddress& host) const;
  /// Whether all that could be sent have come back.
  [[nodiscard]] bool complete() const noexcept { return open_.empty(); }

 private:
  struct Asked {
    IpAddress host;
    unsigned length = 0;
  };
  bool open(bool v4);
  void receive(bool v4);

  EventLoop& loop_;
  UniqueFd v4_;
  UniqueFd v6_;
  std::uint16_t id_ = 0;
  std::uint16_t sequence_ = 0;
  std::map<std::uint16_t, Asked> open_;
  std::map<IpAddress, unsigned> longest_;
};

}  // namespace sluice::doctor
