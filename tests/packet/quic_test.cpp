// SPDX-License-Identifier: Apache-2.0
// Where the destination connection id of a QUIC packet is, for every header form, whole and cut.
#include "packet/quic.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice {
namespace {

std::vector<std::byte> long_header(unsigned first, std::uint32_t version, std::size_t id_bytes) {
  std::vector<std::byte> packet{std::byte(first)};
  for (int shift = 24; shift >= 0; shift -= 8) packet.push_back(std::byte(version >> shift));
  packet.push_back(std::byte(id_bytes));
  for (std::size_t i = 0; i < id_bytes; ++i) packet.push_back(std::byte(i + 1));
  return packet;
}

TEST(QuicHeader, AShortHeadersConnectionIdBeginsAtTheSecondOctet) {
  const std::array packet{std::byte{0x40}, std::byte{0x07}, std::byte{1}, std::byte{2}};
  const auto header = parse_quic(packet);
  EXPECT_EQ(header.connection_id.data(), packet.data() + 1);
  EXPECT_EQ(header.connection_id.size(), 3U);
  EXPECT_FALSE(header.chosen_by_client);
}

TEST(QuicHeader, ALongHeaderSaysHowLongItsConnectionIdIs) {
  auto packet = long_header(0xe0, kQuicVersion1, 8);
  packet.resize(packet.size() + 20);
  const auto header = parse_quic(packet);
  EXPECT_EQ(header.connection_id.data(), packet.data() + 6);
  EXPECT_EQ(header.connection_id.size(), 8U);
}

TEST(QuicHeader, ClientsChooseTheIdsOfInitialAnd0RttPacketsOfKnownVersionsAlone) {
  const auto by_client = [](unsigned type, std::uint32_t version) {
    return parse_quic(long_header(0xc0U | type << 4, version, 8)).chosen_by_client;
  };
  EXPECT_TRUE(by_client(0, kQuicVersion1));
  EXPECT_TRUE(by_client(1, kQuicVersion1));
  EXPECT_FALSE(by_client(2, kQuicVersion1));
  EXPECT_FALSE(by_client(3, kQuicVersion1));
  EXPECT_FALSE(by_client(0, kQuicVersion2));  // Retry
  EXPECT_TRUE(by_client(1, kQuicVersion2));
  EXPECT_TRUE(by_client(2, kQuicVersion2));
  EXPECT_FALSE(by_client(3, kQuicVersion2));
  for (unsigned type = 0; type < 4; ++type) EXPECT_FALSE(by_client(type, 0xff00001d));
}

TEST(QuicHeader, APacketThatEndsBeforeItsConnectionIdHasNone) {
  const auto packet = long_header(0xe0, kQuicVersion1, 20);
  for (std::size_t size = 0; size < packet.size(); ++size) {
    const std::vector<std::byte> cut(packet.begin(),
                                     packet.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(parse_quic(cut).connection_id.empty()) << size;
  }
  EXPECT_EQ(parse_quic(packet).connection_id.size(), 20U);
}

TEST(QuicHeader, AnEmptyDatagramAndALoneFirstOctetHaveNoConnectionId) {
  EXPECT_TRUE(parse_quic({}).connection_id.empty());
  EXPECT_TRUE(parse_quic(std::array{std::byte{0x40}}).connection_id.empty());
}

}  // namespace
}  // namespace sluice
