// SPDX-License-Identifier: Apache-2.0
// The Internet checksum against RFC 1071's example and against the slow version, and its update
// against computing it anew.
#include "packet/checksum.hpp"

#include "support/dissect.hpp"
#include "support/guarded.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace sluice {
namespace {

std::vector<std::byte> random_bytes(std::size_t size, std::mt19937_64& random) {
  std::vector<std::byte> r(size);
  for (auto& b : r) b = static_cast<std::byte>(random() & 0xff);
  return r;
}

TEST(Checksum, IsThatOfTheExampleInRfc1071) {
  constexpr std::array<unsigned char, 8> kExample{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  const auto sum = checksum_sum(std::as_bytes(std::span(kExample)));
  EXPECT_EQ(Be16::from_wire(fold_checksum(sum)).to_host(), 0xddf2);
  EXPECT_EQ(checksum(std::as_bytes(std::span(kExample))).to_host(), 0x220d);
}

TEST(Checksum, EqualsTheSlowVersionAtEveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  const auto data = random_bytes(320, random);
  for (std::size_t offset = 0; offset < 8; ++offset)
    for (std::size_t size = 0; size <= 300; ++size) {
      const auto bytes = std::span(data).subspan(offset, size);
      ASSERT_EQ(checksum(bytes).to_host(), test::slow_checksum(bytes)) << offset << " " << size;
    }
}

TEST(Checksum, ReadsNothingBehindTheLastByte) {
  std::mt19937_64 random(2);
  for (std::size_t size = 0; size <= 64; ++size) {
    const auto data = random_bytes(size, random);
    const test::Guarded guarded(data);
    ASSERT_EQ(checksum(guarded.bytes()).to_host(), test::slow_checksum(data)) << size;
  }
}

TEST(Checksum, CarriesOfALongPacketOfOnesAreNotLost) {
  const std::vector<std::byte> ones(65535, std::byte{0xff});
  EXPECT_EQ(checksum(ones).to_host(), test::slow_checksum(ones));
}

TEST(Checksum, SumsOfPartsAddUpToTheSumOfTheWhole) {
  std::mt19937_64 random(3);
  const auto data = random_bytes(100, random);
  const auto whole = std::span(data);
  for (std::size_t cut = 0; cut <= data.size(); cut += 2)
    ASSERT_EQ(fold_checksum(checksum_sum(whole.first(cut)) + checksum_sum(whole.subspan(cut))),
              fold_checksum(checksum_sum(whole)));
}

TEST(Checksum, FoldIsTheRemainderModulo65535) {
  std::mt19937_64 random(4);
  for (const std::uint64_t corner :
       {std::uint64_t{0}, std::uint64_t{0xffff}, std::uint64_t{0x10000}, std::uint64_t{0xffffffff},
        std::uint64_t{0x1'0000'0000}, ~std::uint64_t{0}})
    EXPECT_EQ(fold_checksum(corner) % 0xffff, corner % 0xffff) << corner;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t sum = random() >> (random() % 64);
    ASSERT_EQ(fold_checksum(sum) % 0xffff, sum % 0xffff) << sum;
    ASSERT_EQ(fold_checksum(sum) == 0, sum == 0) << sum;  // 0xffff and 0 are kept apart
    const auto half = static_cast<std::uint32_t>(sum);
    ASSERT_EQ(fold_checksum(half), fold_checksum(std::uint64_t{half})) << half;
  }
}

/// Sets word `at` of a header of ten words to `now`, and its checksum (word 5) by update; expects
/// what computing it anew gives.
void expect_update(std::array<std::uint16_t, 10> header, std::size_t at, std::uint16_t now) {
  header[5] = 0;
  const auto before = checksum(std::as_bytes(std::span(header)));
  const auto old = header[at];
  header[at] = now;
  const auto anew = checksum(std::as_bytes(std::span(header)));
  ASSERT_EQ(checksum_update(before, Be16::from_wire(old), Be16::from_wire(now)).wire(), anew.wire())
      << "sum " << before.wire() << ", word " << old << " to " << now;
}

TEST(ChecksumUpdate, EqualsComputingItAnew) {
  std::mt19937_64 random(5);
  std::array<std::uint16_t, 10> header{};
  for (int i = 0; i < 200'000; ++i) {
    for (auto& word : header) word = static_cast<std::uint16_t>(random());
    header[0] |= 1;  // version and length of a real header are never 0
    expect_update(header, 4, static_cast<std::uint16_t>(random()));
  }
}

// Where one's complement has two zeros, the older equation (RFC 1141) goes wrong.
TEST(ChecksumUpdate, EqualsComputingItAnewWhereTheSumIsZeroInEitherForm) {
  constexpr std::array<std::uint16_t, 8> kCorners{0,      1,      0x00ff, 0x7fff,
                                                  0x8000, 0xff00, 0xfffe, 0xffff};
  for (std::uint32_t rest = 0; rest <= 0xffff; ++rest)
    for (const auto old : kCorners)
      for (const auto now : kCorners) {
        if (rest == 0 && (old == 0 || now == 0)) continue;  // a header of zeros is none
        std::array<std::uint16_t, 10> header{};
        header[0] = static_cast<std::uint16_t>(rest);
        header[4] = old;
        expect_update(header, 4, now);
        if (testing::Test::HasFatalFailure()) return;
      }
}

TEST(ChecksumUpdate, ExampleOfRfc1624) {
  const auto be = [](std::uint16_t host) { return Be16::from_host(host); };
  EXPECT_EQ(checksum_update(be(0xdd2f), be(0x5555), be(0x3285)).to_host(), 0x0000);
}

}  // namespace
}  // namespace sluice
