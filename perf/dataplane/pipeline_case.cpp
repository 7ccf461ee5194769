// SPDX-License-Identifier: Apache-2.0
#include "pipeline_case.hpp"

#include "packet/headers.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace sluice::dataplane {
namespace {

constexpr std::uint16_t kMtu = 9000;  // a tunnel's header must fit behind a frame of 1500 bytes

snapshot::PoolInput pool_of(const Case& of, std::size_t number, bool other_weights) {
  snapshot::PoolInput pool;
  pool.name = fmt::format("p{}", number);
  pool.forwarding = of.forwarding;
  pool.policy = of.policy;
  pool.outer_source = address_of(4, 0x0a000001U);  // 10.0.0.1
  pool.outer_source6 = address_of(6, 0x0a000001U);
  if (of.forwarding == snapshot::Forwarding::kNat)
    pool.nat = snapshot::NatInput{.sources = {address_of(of.family, 0x0a000002U)}};
  for (std::size_t i = 0; i < of.backends; ++i) {
    const auto backend_number = static_cast<std::uint32_t>(number * of.backends + i);
    const auto high = static_cast<std::uint8_t>(backend_number >> 8);
    const auto low = static_cast<std::uint8_t>(backend_number);
    snapshot::BackendInput backend;
    backend.name = fmt::format("b{}", backend_number);
    backend.address = address_of(of.family, 0x0a010000U + backend_number);  // 10.1/16
    backend.weight = other_weights && i % 2 == 0 ? 90 : 100;
    backend.number = static_cast<snapshot::BackendNumber>(backend_number);
    backend.hop = snapshot::Hop{0, {{2, 0, 0, 1, high, low}}, {{2, 0, 0, 0, 0, 1}}, kMtu};
    pool.backends.push_back(std::move(backend));
  }
  return pool;
}

}  // namespace

IpAddress address_of(unsigned family, std::uint32_t last) {
  const std::array<std::uint8_t, 4> v4{
      static_cast<std::uint8_t>(last >> 24), static_cast<std::uint8_t>(last >> 16),
      static_cast<std::uint8_t>(last >> 8), static_cast<std::uint8_t>(last)};
  if (family == 4) return IpAddress::v4(v4);
  return IpAddress::v6(
      {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, v4[0], v4[1], v4[2], v4[3]});
}

std::unique_ptr<const snapshot::Snapshot> tables(const Case& of, std::uint64_t generation) {
  snapshot::Input input;
  input.generation = generation;
  input.hash_key = default_hash_key();
  input.tcp_timeout = input.udp_timeout = 1800;
  for (std::size_t p = 0; p < of.pools; ++p)
    input.pools.push_back(pool_of(of, p, generation % 2 != 0));
  for (std::size_t s = 0; s < of.services; ++s) {
    snapshot::ServiceInput service;
    service.name = fmt::format("s{}", s);
    service.address = vip_of(of.family, s);
    service.port = port_of(s);
    service.protocol = wire::kIpProtoTcp;
    service.pool = s % of.pools;
    service.number = static_cast<std::uint16_t>(s);
    input.services.push_back(std::move(service));
  }
  auto built = snapshot::build(std::move(input), nullptr);
  if (!built) throw std::runtime_error(built.error().text());
  return std::move(*built);
}

}  // namespace sluice::dataplane
