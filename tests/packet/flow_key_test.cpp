// SPDX-License-Identifier: Apache-2.0
// The flow hash: the same on every node and in every version, uniform, and ruled by its secret.
#include "packet/flow_key.hpp"

#include "base/address.hpp"
#include "base/byte_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace sluice {
namespace {

FlowKey flow(const char* source, const char* destination, std::uint16_t source_port,
             std::uint16_t destination_port, std::uint8_t protocol) {
  FlowKey key{};
  const auto from = IpAddress::parse(source).value();
  const auto to = IpAddress::parse(destination).value();
  std::ranges::copy(from.words(), key.source);
  std::ranges::copy(to.words(), key.destination);
  key.source_port = Be16::from_host(source_port).wire();
  key.destination_port = Be16::from_host(destination_port).wire();
  key.protocol = protocol;
  key.family = static_cast<std::uint8_t>(from.family());
  return key;
}

/// Any key at all of a family.
FlowKey random_flow(std::mt19937_64& random, std::uint8_t family) {
  FlowKey key{};
  for (std::size_t i = 0; i < (family == 4 ? 1U : 4U); ++i) {
    key.source[i] = static_cast<std::uint32_t>(random());
    key.destination[i] = static_cast<std::uint32_t>(random());
  }
  key.source_port = static_cast<std::uint16_t>(random());
  key.destination_port = static_cast<std::uint16_t>(random());
  key.protocol = random() % 2 == 0 ? 6 : 17;
  key.family = family;
  return key;
}

HashKey random_secret(std::mt19937_64& random) {
  HashKey secret{};
  for (auto& word : secret.word) word = static_cast<std::uint32_t>(random());
  secret.tail = random();
  return secret;
}

// The formula over numbers read from the key's bytes, in 128 bits and cut to 64 at the very end.
std::uint64_t slow_hash(const FlowKey& key, const HashKey& secret) {
  std::array<unsigned char, sizeof(FlowKey)> bytes{};
  std::memcpy(bytes.data(), &key, sizeof key);
  const auto word = [&](std::size_t at) {
    std::uint64_t r = 0;
    for (std::size_t i = 4; i-- > 0;) r = r * 256 + bytes[at + i];
    return r;
  };
  constexpr std::uint64_t kTwoTo32 = std::uint64_t{1} << 32;
  // Pairs of message words: both first address words, ports and kind, then IPv6's other words.
  std::vector<std::array<std::uint64_t, 2>> pairs{{word(0), word(16)}, {word(32), word(36)}};
  if (key.family != 4)
    for (std::size_t i = 4; i < 16; i += 4) pairs.push_back({word(i), word(16 + i)});
  __extension__ using Wide = unsigned __int128;
  Wide sum = secret.tail;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    sum += static_cast<Wide>((pairs[i][0] + secret.word[2 * i]) % kTwoTo32) *
           ((pairs[i][1] + secret.word[2 * i + 1]) % kTwoTo32);
  auto h = static_cast<std::uint64_t>(sum);
  h = (h ^ h / (std::uint64_t{1} << 30)) * 0xbf58476d1ce4e5b9U;
  h = (h ^ h / (std::uint64_t{1} << 27)) * 0x94d049bb133111ebU;
  return h ^ h / (std::uint64_t{1} << 31);
}

TEST(FlowHash, EqualsTheFormulaWrittenSlowly) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto key = random_flow(random, i % 2 == 0 ? 4 : 6);
    const auto secret = random_secret(random);
    ASSERT_EQ(flow_hash(key, secret), slow_hash(key, secret));
  }
}

// Computed outside this repository from the formula alone. Should one of them ever change, nodes of
// two versions would send one flow to two backends: it must not.
TEST(FlowHash, KnownAnswersStayAsTheyAre) {
  struct Answer {
    FlowKey key;
    std::uint64_t with_default;
    std::uint64_t with_counting;
  };
  const auto counting = parse_hash_key("000102030405060708090a0b0c0d0e0f").value();
  for (const auto& a : {
           Answer{flow("198.51.100.1", "203.0.113.10", 40000, 443, 6), 0x709f98f044afbbc5,
                  0x444041fdf92de648},
           Answer{flow("198.51.100.1", "203.0.113.10", 40000, 443, 17), 0x6d2507d68c5acc5e,
                  0x4441a026ca97ccea},
           Answer{flow("0.0.0.0", "0.0.0.0", 0, 0, 6), 0x4fcf0c09da3cc4ae, 0x421bb0a25776e29d},
           Answer{flow("255.255.255.255", "255.255.255.255", 65535, 65535, 255), 0xc52faac7c011309a,
                  0x495d5c3376e2a6f2},
           Answer{flow("10.1.2.3", "10.0.0.80", 1, 80, 6), 0x0773ee1cc5414e8e, 0x9b965494db0ea4ec},
           Answer{flow("2001:db8::1", "2001:db8:ffff::1:2", 40000, 443, 6), 0xafa330ce86c0815e,
                  0x395583c9df2b1075},
       }) {
    EXPECT_EQ(flow_hash(a.key, default_hash_key()), a.with_default);
    EXPECT_EQ(flow_hash(a.key, counting), a.with_counting);
  }
}

TEST(FlowHash, DirectionsOfAConnectionAreTwoFlows) {
  const auto there = flow("198.51.100.1", "203.0.113.10", 40000, 443, 6);
  const auto back = flow("203.0.113.10", "198.51.100.1", 443, 40000, 6);
  EXPECT_NE(flow_hash(there, default_hash_key()), flow_hash(back, default_hash_key()));
}

// Every bit of the key turns every bit of the hash with probability one half: of n random keys,
// n/2 give or take six standard deviations (sqrt(n)/2); 18,944 pairs of bits are tried.
TEST(FlowHash, EveryBitOfTheKeyTurnsEveryBitOfTheHashHalfOfTheTime) {
  constexpr int kKeys = 4096;
  constexpr double kBound = 6 * 64 / 2;
  std::mt19937_64 random(2);
  const auto secret = random_secret(random);
  std::vector<FlowKey> keys;
  for (int i = 0; i < kKeys; ++i) keys.push_back(random_flow(random, 6));
  const auto bits_of_key = 8 * (offsetof(FlowKey, protocol) + 1);
  for (std::size_t in = 0; in < bits_of_key; ++in) {
    std::array<int, 64> turned{};
    for (const auto& key : keys) {
      FlowKey other = key;
      auto* bytes = reinterpret_cast<unsigned char*>(&other);
      bytes[in / 8] = static_cast<unsigned char>(bytes[in / 8] ^ 1U << in % 8);
      const auto change = flow_hash(key, secret) ^ flow_hash(other, secret);
      for (std::size_t out = 0; out < 64; ++out) turned[out] += static_cast<int>(change >> out & 1);
    }
    for (std::size_t out = 0; out < 64; ++out)
      EXPECT_LE(std::abs(turned[out] - kKeys / 2), kBound)
          << "bit " << in << " of the key, " << out;
  }
}

/// Chi-square statistic of the counts against equal shares.
double chi_square(const std::vector<std::uint32_t>& counts) {
  double total = 0;
  for (const auto n : counts) total += n;
  const double share = total / static_cast<double>(counts.size());
  double r = 0;
  for (const auto n : counts) r += (n - share) * (n - share) / share;
  return r;
}

// Traffic as it comes: few addresses, ports counted up. The statistic of a uniform hash has mean
// `buckets - 1` and variance twice that; six standard deviations on either side.
class FlowHashShares : public testing::TestWithParam<unsigned> {};

TEST_P(FlowHashShares, OfCountedUpFlowsAreEven) {
  constexpr std::size_t kBuckets = 1024;
  const unsigned shift = GetParam();
  std::vector<std::uint32_t> counts(kBuckets);
  for (std::uint32_t client = 0; client < 8; ++client)
    for (std::uint32_t port = 0; port < 65536; ++port) {
      FlowKey key = flow("198.51.100.0", "203.0.113.10", static_cast<std::uint16_t>(port), 443, 6);
      key.source[0] += client << 24;
      ++counts[flow_hash(key, default_hash_key()) >> shift & (kBuckets - 1)];
    }
  const double freedom = kBuckets - 1;
  EXPECT_NEAR(chi_square(counts), freedom, 6 * std::sqrt(2 * freedom));
}

INSTANTIATE_TEST_SUITE_P(LowestBit, FlowHashShares, testing::Values(0U, 16U, 32U, 44U, 54U));

TEST(FlowHash, NoTwoOfAMillionFlowsCollide) {  // expected for 64 random bits: 3e-8 pairs
  std::mt19937_64 random(3);
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 1'000'000; ++i)
    hashes.push_back(flow_hash(random_flow(random, 4), default_hash_key()));
  std::ranges::sort(hashes);
  EXPECT_EQ(std::ranges::adjacent_find(hashes), hashes.end());
}

TEST(FlowHash, EveryWordOfTheSecretCounts) {
  std::mt19937_64 random(4);
  const auto secret = random_secret(random);
  for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
    const auto key = random_flow(random, family);
    const std::size_t used = family == 4 ? 4 : 10;
    for (std::size_t i = 0; i < 10; ++i) {
      HashKey other = secret;
      other.word[i] ^= 1;
      EXPECT_EQ(flow_hash(key, other) != flow_hash(key, secret), i < used) << "word " << i;
    }
    HashKey other = secret;
    other.tail ^= 1;
    EXPECT_NE(flow_hash(key, other), flow_hash(key, secret));
  }
}

// Flows that share a slot under one secret are spread anew by another: an attacker who has found
// such a set on one site has nothing on the next.
TEST(FlowHash, FlowsThatMeetUnderOneSecretPartUnderAnother) {
  std::mt19937_64 random(5);
  const auto ours = random_secret(random);
  const auto theirs = random_secret(random);
  constexpr std::size_t kBuckets = 64;
  std::vector<std::uint32_t> counts(kBuckets);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto key = random_flow(random, 4);
    if (flow_hash(key, ours) % kBuckets == 0) ++counts[flow_hash(key, theirs) % kBuckets];
  }
  const double freedom = kBuckets - 1;
  EXPECT_NEAR(chi_square(counts), freedom, 6 * std::sqrt(2 * freedom));
}

// The secret from text.

bool equal(const HashKey& a, const HashKey& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

TEST(HashKeyText, KnownExpansionStaysAsItIs) {
  const HashKey expected{{0x4d197e6f, 0xa706dd2f, 0x3d0cc8a6, 0x374327c6, 0x2389e25f, 0x8cf56a34,
                          0x9e8df009, 0xe6dae5f2, 0x2565f6e9, 0xab27cbb5},
                         {0, 0},
                         0xcf7740abb25ae0a4};
  EXPECT_TRUE(equal(parse_hash_key("00000000000000000000000000000000").value(), expected));
}

TEST(HashKeyText, CaseOfItsDigitsDoesNotMatter) {
  EXPECT_TRUE(equal(parse_hash_key("00112233445566778899aabbccddeeff").value(),
                    parse_hash_key("00112233445566778899AABBCCDDEEFF").value()));
}

TEST(HashKeyText, EveryDigitChangesEveryWord) {
  const std::string zeros(32, '0');
  const auto base = parse_hash_key(zeros).value();
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    std::string text = zeros;
    text[i] = '1';
    const auto other = parse_hash_key(text).value();
    for (std::size_t w = 0; w < 10; ++w) EXPECT_NE(other.word[w], base.word[w]) << i << " " << w;
    EXPECT_NE(other.tail, base.tail) << i;
  }
}

TEST(HashKeyText, EqualHalvesAreAsGoodAsAny) {
  const auto a = parse_hash_key("0123456789abcdef0123456789abcdef").value();
  const auto b = parse_hash_key("fedcba9876543210fedcba9876543210").value();
  EXPECT_FALSE(equal(a, b));
}

TEST(HashKeyText, AnythingButThirtyTwoDigitsIsRefused) {
  const std::string right(32, 'a');
  EXPECT_TRUE(parse_hash_key(right));
  for (const std::string& wrong :
       {std::string(), right.substr(1), right + "a", "0x" + right, "0x" + right.substr(2),
        right.substr(1) + "g", right.substr(1) + " ", "-" + right.substr(1), "+" + right.substr(1),
        right.substr(1) + std::string(1, '\0')})
    EXPECT_FALSE(parse_hash_key(wrong)) << wrong;
}

TEST(HashKeyText, DefaultIsThatOfPi) {
  EXPECT_TRUE(
      equal(default_hash_key(), parse_hash_key("243f6a8885a308d313198a2e03707344").value()));
}

}  // namespace
}  // namespace sluice
