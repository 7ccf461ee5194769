// SPDX-License-Identifier: Apache-2.0
#include "xdp/services.hpp"

#include "xdp/contents.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace sluice::xdp {
namespace {

static_assert(sizeof(sluice_xdp_service_key) == 20 && sizeof(sluice_xdp_service) == 32);

struct KeyOrder {
  bool operator()(const sluice_xdp_service_key& a, const sluice_xdp_service_key& b) const noexcept {
    return std::memcmp(&a, &b, sizeof a) < 0;
  }
};
using ServiceMap = std::map<sluice_xdp_service_key, sluice_xdp_service, KeyOrder>;

// The flag for TCP, or for UDP; 0 for a protocol that no service has.
std::uint32_t either(std::uint8_t protocol, std::uint32_t tcp, std::uint32_t udp) {
  if (protocol == IPPROTO_TCP) return tcp;
  return protocol == IPPROTO_UDP ? udp : 0;
}

std::uint32_t flags_of(const ServiceEntry& entry) {
  std::uint32_t flags = entry.silent ? SLUICE_XDP_REFUSE_SILENTLY : 0;
  if (entry.takes == Takes::kOldFlows) flags |= SLUICE_XDP_REFUSE_NEW;
  if (entry.takes == Takes::kNothing) flags |= SLUICE_XDP_REFUSE_ALL;
  return entry.takes == Takes::kAll ? 0 : flags;
}

Result<ServiceMap> wanted_entries(std::span<const ServiceEntry> services,
                                  std::span<const NatEntry> nat) {
  ServiceMap wanted;
  const auto of_address = [&](const IpAddress& address) -> std::uint32_t& {
    return wanted.try_emplace(key_of(address, 0, 0)).first->second.flags;
  };
  const auto no_protocol = [](std::string where, std::uint8_t protocol) {
    return fail(Errc::kInvalid, std::move(where), "protocol {} is neither TCP (6) nor UDP (17)",
                protocol);
  };
  for (std::size_t i = 0; i < services.size(); ++i) {
    const ServiceEntry& entry = services[i];
    const std::string where = fmt::format("/services/{}", i);
    const auto some = either(entry.protocol, SLUICE_XDP_TCP_SERVICE, SLUICE_XDP_UDP_SERVICE);
    if (some == 0) return no_protocol(where, entry.protocol);
    const auto key = key_of(entry.address, entry.port, entry.protocol);
    if (!wanted.try_emplace(key, sluice_xdp_service{entry.number, flags_of(entry), {}}).second)
      return fail(Errc::kInvalid, where, "{} port {} protocol {} is there twice",
                  entry.address.text(), entry.port, entry.protocol);
    of_address(entry.address) |= some;
    if (entry.port == 0)
      of_address(entry.address) |= either(
          entry.protocol, SLUICE_XDP_TCP_EVERY_PORT | flags_of(entry) << SLUICE_XDP_TCP_SHIFT,
          SLUICE_XDP_UDP_EVERY_PORT | flags_of(entry) << SLUICE_XDP_UDP_SHIFT);
  }
  for (const NatEntry& entry : nat) {
    const auto lent = either(entry.protocol, SLUICE_XDP_TCP_NAT, SLUICE_XDP_UDP_NAT);
    if (lent == 0) return no_protocol("NAT address " + entry.address.text(), entry.protocol);
    of_address(entry.address) |= lent;
  }
  return wanted;
}

}  // namespace

sluice_xdp_service_key key_of(const IpAddress& address, std::uint16_t port, std::uint8_t protocol) {
  sluice_xdp_service_key key{};
  const auto words = address.words();
  std::ranges::copy(words, key.address);
  key.port = __builtin_bswap16(port);
  key.protocol = protocol;
  key.family = address.is_v4() ? 4 : 6;
  return key;
}

Result<void> make_service_map_equal(int map, std::span<const ServiceEntry> services,
                                    std::span<const NatEntry> nat) {
  const auto wanted = wanted_entries(services, nat);
  if (!wanted) return forward_error(wanted);
  Contents contents;
  for (const auto& [key, value] : *wanted) contents.emplace(bytes_of(key), bytes_of(value));
  return make_equal({.fd = map,
                     .name = "sluice_services",
                     .where = "/services",
                     .key_bytes = sizeof(sluice_xdp_service_key),
                     .limit = SLUICE_XDP_SERVICES},
                    contents);
}

}  // namespace sluice::xdp
