// SPDX-License-Identifier: Apache-2.0
#include "client/flow.hpp"

#include "base/nearest.hpp"
#include "client/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace sluice::client {
namespace {

constexpr std::string_view kForm = "a flow is PROTOCOL SOURCE:PORT DESTINATION:PORT";
constexpr std::array<std::string_view, 2> kProtocols{"tcp", "udp"};

struct Endpoint {
  IpAddress address;
  std::uint16_t port;
};

std::string quoted(std::string_view part) { return "'" + clip(printable(part), 80) + "'"; }

Result<std::uint16_t> parse_port(std::string_view text, const std::string& where) {
  std::uint16_t port = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (text.empty() || error != std::errc{} || stopped != end)
    return fail(Errc::kInvalid, where, "{} is not a port from 0 to 65535", quoted(text));
  return port;
}

Result<Endpoint> parse_endpoint(std::string_view text, const std::string& where) {
  const bool bracketed = text.starts_with('[');
  const auto closing = text.find(']');
  if (bracketed && closing == std::string_view::npos)
    return fail(Errc::kInvalid, where, "{} has no closing bracket; write [ADDRESS]:PORT",
                quoted(text));
  const auto colon = bracketed ? closing + 1 : text.find(':');
  if (!bracketed && colon != std::string_view::npos && text.find(':', colon + 1) != text.npos)
    return fail(Errc::kInvalid, where,
                "{}: an IPv6 address stands in brackets; write [ADDRESS]:PORT", quoted(text));
  if (colon >= text.size() || text[colon] != ':')
    return fail(Errc::kInvalid, where, "{} has no port; write {}", quoted(text),
                bracketed ? "[ADDRESS]:PORT" : "ADDRESS:PORT");
  const auto address_text = bracketed ? text.substr(1, closing - 1) : text.substr(0, colon);
  const auto address = IpAddress::parse(address_text);
  if (!address || address->is_v4() == bracketed)
    return fail(Errc::kInvalid, where, "{} is not an {} address", quoted(address_text),
                bracketed ? "IPv6" : "IPv4");
  const auto port = parse_port(text.substr(colon + 1), where);
  if (!port) return forward_error(port);
  return Endpoint{*address, *port};
}

}  // namespace

std::string endpoint_text(const IpAddress& address, std::uint16_t port) {
  return address.is_v4() ? fmt::format("{}:{}", address.text(), port)
                         : fmt::format("[{}]:{}", address.text(), port);
}

std::string Flow::text() const {
  return fmt::format("{} {} -> {}", protocol, endpoint_text(source, source_port),
                     endpoint_text(destination, destination_port));
}

Result<Flow> parse_flow(std::span<const std::string> words) {
  std::array<std::string_view, 3> part;
  if (words.size() == 3) {
    std::ranges::copy(words, part.begin());
  } else if (words.size() == 1) {
    const std::string_view word = words[0];
    const auto colon = word.find(':');
    const auto dash = word.find('-');
    if (colon == word.npos || dash == word.npos || dash < colon)
      return fail(Errc::kInvalid, "flow", "{}: {}, or PROTOCOL:SOURCE:PORT-DESTINATION:PORT",
                  quoted(word), kForm);
    part = {word.substr(0, colon), word.substr(colon + 1, dash - colon - 1), word.substr(dash + 1)};
  } else {
    return fail(Errc::kInvalid, "flow", "{} words; {}", words.size(), kForm);
  }
  if (std::ranges::find(kProtocols, part[0]) == kProtocols.end())
    return fail(Errc::kInvalid, "protocol", "{} is neither tcp nor udp{}", quoted(part[0]),
                did_you_mean(part[0], kProtocols));
  const auto source = parse_endpoint(part[1], "source");
  if (!source) return forward_error(source);
  const auto destination = parse_endpoint(part[2], "destination");
  if (!destination) return forward_error(destination);
  if (source->address.family() != destination->address.family())
    return fail(Errc::kInvalid, "destination", "{} and the source are not of one family",
                quoted(part[2]));
  return Flow{std::string(part[0]), source->address, source->port, destination->address,
              destination->port};
}

}  // namespace sluice::client
