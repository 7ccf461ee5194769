// SPDX-License-Identifier: Apache-2.0
// A flow as an operator writes it: "tcp 198.51.100.7:40000 203.0.113.10:443".
//
// Threads: values.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace sluice::client {

struct Flow {
  std::string protocol;  ///< "tcp" or "udp".
  IpAddress source;
  std::uint16_t source_port = 0;
  IpAddress destination;
  std::uint16_t destination_port = 0;

  [[nodiscard]] std::string text() const;  ///< "tcp 198.51.100.7:40000 -> 203.0.113.10:443"
};

/// "ADDRESS:PORT", IPv6 in brackets.
[[nodiscard]] std::string endpoint_text(const IpAddress& address, std::uint16_t port);

/// Reads PROTOCOL SOURCE DESTINATION from three words, or from one as
/// "PROTOCOL:SOURCE-DESTINATION". SOURCE and DESTINATION are ADDRESS:PORT, IPv6 in brackets; ports
/// are 0 to 65535 and both addresses of one family.
/// @return the flow, or kInvalid whose `where` names the part: "protocol", "source", "destination".
[[nodiscard]] Result<Flow> parse_flow(std::span<const std::string> words);

}  // namespace sluice::client
