// SPDX-License-Identifier: Apache-2.0
#include "config/address_codec.hpp"

#include "config/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace sluice::config {
namespace {

using Family = HostAddress::Family;

// IPv6 text as RFC 3986 has it, which is what inet_pton() takes: eight groups, or fewer with one
// "::" in place of the rest; the last two may be an IPv4 address.
std::string all_v6_text() {
  const std::string group = "[0-9a-fA-F]{1,4}";
  const auto last = fmt::format("({0}:{0}|{1})", group, v4_pattern());
  std::string text = fmt::format("({0}:){{6}}{1}|::({0}:){{5}}{1}", group, last);
  for (int before = 0; before <= 4; ++before)
    text +=
        fmt::format("|(({0}:){{0,{1}}}{0})?::({0}:){{{2}}}{3}", group, before, 4 - before, last);
  text += fmt::format("|(({0}:){{0,5}}{0})?::{0}|(({0}:){{0,6}}{0})?::", group);
  return fmt::format("({})", text);
}

// What a host cannot have, as look-aheads at the start of its address. Zeros in IPv6 have many
// spellings; ":" and "." only stand between groups, so that text of '0', ':' and '.' is all zero.
std::string no_host_v4() {
  return "(?!0\\.0\\.0\\.0$|127\\.|22[4-9]\\.|23[0-9]\\.|255\\.255\\.255\\.255$)";
}
std::string no_host_v6() {
  return fmt::format(
      "(?![0:.]+$|[0:.]*[:.]0{{0,3}}1$|[fF][eE][89abAB][0-9a-fA-F]:|[fF]{{2}}[0-9a-fA-F]{{2}}:"
      "|[0:]*:[fF]{{4}}:({0}|[0-9a-fA-F]{{1,4}}:[0-9a-fA-F]{{1,4}})$)",
      v4_pattern());
}

std::string_view form_of(Family family) {
  return family == Family::kV4   ? "an IPv4 address"
         : family == Family::kV6 ? "an IPv6 address"
                                 : "an IP address";
}

std::string_view rule_of(Family family) {
  return family == Family::kV4 ? "four numbers from 0 to 255 with points between, as in 192.0.2.1"
         : family == Family::kV6
             ? "groups of hexadecimal digits with ':' between, as in 2001:db8::1"
             : "IPv4 or IPv6, as in 192.0.2.1 or 2001:db8::1";
}

bool is_broadcast(const IpAddress& address) {
  return address.is_v4() && address.words()[0] == 0xffffffffU;
}

bool is_link_local_v6(const IpAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0U) == 0x80;
}

bool is_v4_in_v6(const IpAddress& address) {
  const auto& bytes = address.bytes();
  return !address.is_v4() && bytes[10] == 0xff && bytes[11] == 0xff &&
         std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; });
}

std::optional<unsigned> prefix_length(std::string_view digits, unsigned most) {
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size() || length > most)
    return std::nullopt;
  return length;
}

IpAddress network_of(const IpAddress& address, unsigned length) {
  auto bytes = address.bytes();
  for (unsigned i = length; i < address.bits(); ++i)
    bytes[i / 8] = static_cast<std::uint8_t>(bytes[i / 8] & ~(0x80U >> (i % 8)));
  if (!address.is_v4()) return IpAddress::v6(bytes);
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

}  // namespace

std::string_view v4_pattern() {
  static const std::string pattern = [] {
    const std::string_view octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    return fmt::format("({0}\\.){{3}}{0}", octet);
  }();
  return pattern;
}

std::string_view v6_pattern() {
  static const std::string pattern = all_v6_text();
  return pattern;
}

Shape HostAddress::shape() const {
  const auto v4 = fmt::format("{}{}", no_host_v4(), v4_pattern());
  const auto v6 = fmt::format("{}{}", no_host_v6(), v6_pattern());
  return {.kind = Shape::Kind::kText,
          .form = form_of(family),
          .rule = rule_of(family),
          .pattern = family == Family::kV4   ? fmt::format("^{}$", v4)
                     : family == Family::kV6 ? fmt::format("^{}$", v6)
                                             : fmt::format("^({}|{})$", v4, v6)};
}

void HostAddress::read(Reader& reader, const Value& value, IpAddress& to) const {
  const auto* text = value.as<std::string>();  // shape() only for a fault: lists are long
  if (text == nullptr) return wrong_type(reader, value, shape());
  const auto address = IpAddress::parse(*text);
  const bool fits =
      address && (family == Family::kAny || address->is_v4() == (family == Family::kV4));
  if (!fits) return not_the_form(reader, *text, shape());
  const std::string_view kind = address->is_unspecified()    ? "the unspecified address"
                                : address->is_loopback()     ? "a loopback address"
                                : address->is_multicast()    ? "a multicast address"
                                : is_broadcast(*address)     ? "the broadcast address"
                                : is_link_local_v6(*address) ? "a link-local address"
                                : is_v4_in_v6(*address)      ? "an IPv4 address written as IPv6"
                                                             : "";
  if (!kind.empty()) {
    reader.fault(fmt::format("{} is {}", quoted(*text), kind),
                 "give an address that other machines reach one host by");
    return;
  }
  to = *address;
}

std::optional<Value> HostAddress::write(const IpAddress& from) const {
  if (from.is_unspecified()) return std::nullopt;
  return Value{from.text()};
}

Shape Prefix::shape() const {
  return {.kind = Shape::Kind::kText,
          .form = "an address or prefix",
          .rule = "ADDRESS or ADDRESS/LENGTH, as in 10.0.1.11, 10.0.0.0/8 or 2001:db8::/32",
          .pattern = fmt::format(
              "^({}(/0*(3[0-2]|[12]?[0-9]))?|{}(/0*(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$",
              v4_pattern(), v6_pattern())};
}

void Prefix::read(Reader& reader, const Value& value, IpPrefix& to) const {
  const auto* text = value.as<std::string>();  // shape() only for a fault: lists are long
  if (text == nullptr) return wrong_type(reader, value, shape());
  if (const auto prefix = IpPrefix::parse(*text)) {
    to = *prefix;
    return;
  }
  const auto slash = text->find('/');
  const auto address = IpAddress::parse(std::string_view(*text).substr(0, slash));
  const auto length =
      address && slash != std::string::npos
          ? prefix_length(std::string_view(*text).substr(slash + 1), address->bits())
          : std::nullopt;
  if (!length) return not_the_form(reader, *text, shape());
  reader.fault(fmt::format("{} has bits set beyond its length", quoted(*text)),
               fmt::format("give {}/{} or {}", network_of(*address, *length).text(), *length,
                           address->text()),
               Layer::kRule);
}

void Prefix::read(Reader& reader, const Value& value, std::optional<IpPrefix>& to) const {
  read(reader, value, to.emplace());
}

std::optional<Value> Prefix::write(const IpPrefix& from) const { return Value{from.text()}; }

std::optional<Value> Prefix::write(const std::optional<IpPrefix>& from) const {
  return from ? write(*from) : std::nullopt;
}

Shape Mac::shape() const {
  return {.kind = Shape::Kind::kText,
          .form = "a MAC address",
          .rule = "six hexadecimal pairs with ':' between, as in 02:00:00:00:01:11",
          .pattern = "^(?!00([:-]00){5}$)[0-9a-fA-F][02468aceACE]([:-][0-9a-fA-F]{2}){5}$"};
}

void Mac::read(Reader& reader, const Value& value, MacAddress& to) const {
  const auto* text = value.as<std::string>();  // shape() only for a fault: lists are long
  if (text == nullptr) return wrong_type(reader, value, shape());
  const auto mac = MacAddress::parse(*text);
  if (!mac) return not_the_form(reader, *text, shape());
  if (mac->is_zero() || mac->is_multicast()) {
    reader.fault(
        fmt::format("{} is {}", quoted(*text), mac->is_zero() ? "zero" : "a group address"),
        "give the address of one station (its first byte is even)");
    return;
  }
  to = *mac;
}

void Mac::read(Reader& reader, const Value& value, std::optional<MacAddress>& to) const {
  MacAddress mac;
  read(reader, value, mac);
  if (!mac.is_zero()) to = mac;
}

std::optional<Value> Mac::write(const MacAddress& from) const { return Value{from.text()}; }

std::optional<Value> Mac::write(const std::optional<MacAddress>& from) const {
  return from ? write(*from) : std::nullopt;
}

}  // namespace sluice::config
