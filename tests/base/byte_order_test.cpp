// SPDX-License-Identifier: Apache-2.0
// Network-order integers: the first byte in memory is the most significant one.
#include "base/byte_order.hpp"

#include <gtest/gtest.h>

#include <array>
#include <concepts>
#include <cstring>

namespace sluice {
namespace {

// No conversion by accident, in either direction.
static_assert(!std::convertible_to<Be16, std::uint16_t> &&
              !std::convertible_to<std::uint16_t, Be16>);
static_assert(!std::convertible_to<Be32, std::uint32_t> &&
              !std::convertible_to<std::uint32_t, Be32>);
static_assert(!std::constructible_from<Be16, std::uint16_t> &&
              !std::constructible_from<Be32, Be16>);

template <std::size_t Size>
std::array<unsigned char, Size> memory(const auto& value) {
  static_assert(sizeof value == Size);
  std::array<unsigned char, Size> r{};
  std::memcpy(r.data(), &value, Size);
  return r;
}

TEST(ByteOrder, MostSignificantByteComesFirstInMemory) {
  EXPECT_EQ(memory<2>(Be16::from_host(0x1234)), (std::array<unsigned char, 2>{0x12, 0x34}));
  EXPECT_EQ(memory<4>(Be32::from_host(0x12345678)),
            (std::array<unsigned char, 4>{0x12, 0x34, 0x56, 0x78}));
}

TEST(ByteOrder, HostNumberSurvivesTheWayThereAndBack) {
  for (std::uint32_t n = 0; n <= 0xffff; ++n) {
    const auto host = static_cast<std::uint16_t>(n);
    ASSERT_EQ(Be16::from_host(host).to_host(), host);
    ASSERT_EQ(Be16::from_wire(host).wire(), host);
    ASSERT_EQ(Be32::from_host(n * 65537).to_host(), n * 65537);
    ASSERT_EQ(Be32::from_wire(n * 65537).wire(), n * 65537);
  }
}

TEST(ByteOrder, EqualityIsThatOfTheNumber) {
  EXPECT_EQ(Be16::from_host(0x1234), Be16::from_wire(0x3412));
  EXPECT_NE(Be16::from_host(0x1234), Be16::from_host(0x1235));
  EXPECT_EQ(Be32::from_host(1), Be32::from_wire(0x01000000));
  EXPECT_NE(Be32::from_host(1), Be32::from_wire(1));
  EXPECT_EQ(Be16().to_host(), 0);
}

}  // namespace
}  // namespace sluice
