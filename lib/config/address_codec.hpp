// SPDX-License-Identifier: Apache-2.0
// How addresses stand in JSON: of hosts, of networks and of stations. The schema's patterns and the
// code say the same; a test compares them.
//
// Threads: values.
#pragma once

#include "base/address.hpp"
#include "config/field.hpp"

#include <cstdint>
#include <optional>

namespace sluice::config {

/// An address that one host can have, reached from other networks: not unspecified, loopback,
/// link-local IPv6, multicast, broadcast, or an IPv4 address in IPv6's clothes.
struct HostAddress {
  enum class Family : std::uint8_t { kAny, kV4, kV6 };
  Family family = Family::kAny;

  [[nodiscard]] Shape shape() const;
  void read(Reader& reader, const Value& value, IpAddress& to) const;
  /// The unspecified address is the same as the key left out.
  [[nodiscard]] std::optional<Value> write(const IpAddress& from) const;
};

/// An address or prefix, "10.0.0.0/8" or "2001:db8::/32".
struct Prefix {
  [[nodiscard]] Shape shape() const;
  void read(Reader& reader, const Value& value, IpPrefix& to) const;
  void read(Reader& reader, const Value& value, std::optional<IpPrefix>& to) const;
  [[nodiscard]] std::optional<Value> write(const IpPrefix& from) const;
  [[nodiscard]] std::optional<Value> write(const std::optional<IpPrefix>& from) const;
};

/// A MAC address that one station can have: not a group's, not zero.
struct Mac {
  [[nodiscard]] Shape shape() const;
  void read(Reader& reader, const Value& value, MacAddress& to) const;
  void read(Reader& reader, const Value& value, std::optional<MacAddress>& to) const;
  [[nodiscard]] std::optional<Value> write(const MacAddress& from) const;
  [[nodiscard]] std::optional<Value> write(const std::optional<MacAddress>& from) const;
};

/// Any IPv4 or IPv6 address as text, without anchors: for patterns that hold one.
[[nodiscard]] std::string_view v4_pattern();
[[nodiscard]] std::string_view v6_pattern();

}  // namespace sluice::config
