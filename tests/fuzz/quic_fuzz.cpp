// SPDX-License-Identifier: Apache-2.0
// Any bytes as a QUIC packet under any configuration: the parser and the decoder read nothing
// beyond the datagram, and what a server makes of the bytes is decoded to its server id.
//
// Input: two bytes that choose lengths and key, then the datagram.
#include "packet/make_cid.hpp"
#include "packet/quic.hpp"
#include "packet/quic_lb.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

namespace {

using namespace sluice;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<QuicLbConfig> configs_of(unsigned choice) {
  std::vector<QuicLbConfig> configs;
  for (unsigned rotation = 0; rotation < QuicLb::kRotations; ++rotation) {
    const unsigned id_bytes = 1 + (choice + rotation * 5) % 15;
    const unsigned nonce_bytes = 4 + (choice / 15 + rotation) % (16 - id_bytes);
    QuicLbConfig config{static_cast<std::uint8_t>(rotation),
                        static_cast<std::uint8_t>(id_bytes),
                        static_cast<std::uint8_t>(nonce_bytes),
                        {}};
    if ((choice >> (rotation + 8) & 1) != 0)
      config.key = test::key_from_hex("8f95f09245765f80256934e50c66207f");
    configs.push_back(config);
  }
  return configs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto configs = configs_of(unsigned{data[0]} << 8 | data[1]);
  const auto made = QuicLb::create(configs);
  require(made.has_value());
  const QuicLb& lb = *made;

  // A heap block of that very size, so that the address sanitizer sees a read beyond it.
  const std::size_t length = size - 2;
  const auto block = std::make_unique<std::byte[]>(length);
  std::ranges::copy(std::as_bytes(std::span(data, size).subspan(2)), block.get());
  const std::span<const std::byte> datagram(block.get(), length);
  const auto header = parse_quic(datagram);
  const auto id = lb.server_id(header.connection_id);
  if (!header.connection_id.empty()) {
    require(header.connection_id.data() > datagram.data());
    require(header.connection_id.data() + header.connection_id.size() <= datagram.data() + length);
  }
  if (id) {
    const unsigned rotation = std::to_integer<unsigned>(header.connection_id[0]) >> 5U;
    require(id->size() == configs[rotation].server_id_bytes);
    require(header.connection_id.size() > id->size() + configs[rotation].nonce_bytes);
  }

  for (const auto& config : configs) {
    const std::size_t total = std::size_t{config.server_id_bytes} + config.nonce_bytes;
    if (length < total) continue;
    const test::Octets server_id(data + 2, data + 2 + config.server_id_bytes);
    const test::Octets nonce(data + 2 + config.server_id_bytes, data + 2 + total);
    const auto cid = test::make_cid(config, server_id, nonce);
    const auto found = lb.server_id(std::as_bytes(std::span(cid)));
    require(found && found->text() == test::to_hex(server_id));
  }
  return 0;
}
