// SPDX-License-Identifier: Apache-2.0
// Server ids out of connection ids: the vectors of draft-ietf-quic-load-balancers-21 (appendix B,
// and the example of section 5.4.2), and what servers make for every pair of lengths.
#include "packet/quic_lb.hpp"

#include "packet/make_cid.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice {
namespace {

using test::from_hex;
using test::Octets;

constexpr const char* kKey = "8f95f09245765f80256934e50c66207f";

struct Vector {
  const char* name;
  std::uint8_t rotation;
  const char* server_id;
  const char* nonce;
  const char* key;  ///< Empty: in the clear.
  const char* cid;

  [[nodiscard]] QuicLbConfig config() const {
    QuicLbConfig c{rotation,
                   static_cast<std::uint8_t>(from_hex(server_id).size()),
                   static_cast<std::uint8_t>(from_hex(nonce).size()),
                   {}};
    if (*key != '\0') c.key = test::key_from_hex(key);
    return c;
  }
};

std::span<const std::byte> bytes(const Octets& octets) { return std::as_bytes(std::span(octets)); }

class QuicLbVectors : public testing::TestWithParam<Vector> {};

TEST_P(QuicLbVectors, TheServerIdComesOut) {
  const Vector& v = GetParam();
  const std::vector configs{v.config()};
  const auto lb = QuicLb::create(configs);
  ASSERT_TRUE(lb) << lb.error().message;
  const auto id = lb->server_id(bytes(from_hex(v.cid)));
  ASSERT_TRUE(id);
  EXPECT_EQ(id->text(), v.server_id);
}

TEST_P(QuicLbVectors, TheSlowServerMakesThatConnectionId) {
  const Vector& v = GetParam();
  EXPECT_EQ(test::to_hex(test::make_cid(v.config(), from_hex(v.server_id), from_hex(v.nonce))),
            v.cid);
}

INSTANTIATE_TEST_SUITE_P(
    Draft21, QuicLbVectors,
    testing::Values(Vector{"plain", 0, "c4605e", "4504cc4f", "", "07c4605e4504cc4f"},
                    Vector{"three_passes", 0, "ed793a", "ee080dbf", kKey, "0720b1d07b359d3c"},
                    Vector{"four_passes", 1, "ed793a51d49b8f5fab65", "ee080dbf48", kKey,
                           "2fcc381bc74cb4fbad2823a3d1f8fed2"},
                    Vector{"one_pass", 2, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", kKey,
                           "504dd2d05a7b0de9b2b9907afb5ecf8cc3"},
                    // The draft prints 0x12 as the first octet: rotation 0, where it says 3.
                    Vector{"longest", 0, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", kKey,
                           "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc"},
                    Vector{"example", 0, "31441a", "9c69c275", "fdf726a9893ec05c0632d3956680baf0",
                           "0767947d29be054a"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(QuicLb, FindsTheServerIdForEveryPairOfLengthsEncryptedOrNot) {
  std::mt19937 random(1);
  const auto octets = [&](unsigned count) {
    Octets o(count);
    for (auto& octet : o) octet = static_cast<std::uint8_t>(random());
    return o;
  };
  for (unsigned id_bytes = 1; id_bytes <= 15; ++id_bytes)
    for (unsigned nonce_bytes = 4; id_bytes + nonce_bytes <= 19; ++nonce_bytes)
      for (const bool encrypted : {false, true}) {
        QuicLbConfig config{static_cast<std::uint8_t>(random() % 7),
                            static_cast<std::uint8_t>(id_bytes),
                            static_cast<std::uint8_t>(nonce_bytes),
                            {}};
        if (encrypted) config.key = test::key_from_hex(kKey);
        const auto lb = QuicLb::create(std::vector{config}).value();
        const Octets id = octets(id_bytes);
        Octets cid = test::make_cid(config, id, octets(nonce_bytes));
        cid.resize(cid.size() + random() % 8);  // a short header's packet goes on
        const auto found = lb.server_id(bytes(cid));
        ASSERT_TRUE(found);
        ASSERT_EQ(found->text(), test::to_hex(id)) << id_bytes << " and " << nonce_bytes;
      }
}

TEST(QuicLb, TheFirstThreeBitsChooseAmongConfigurations) {
  QuicLbConfig old{2, 3, 5, test::key_from_hex(kKey)};
  QuicLbConfig fresh{3, 4, 8, test::key_from_hex("00112233445566778899aabbccddeeff")};
  const auto lb = QuicLb::create(std::vector{old, fresh}).value();
  EXPECT_EQ(lb.server_id(bytes(test::make_cid(old, {1, 2, 3}, Octets(5))))->text(), "010203");
  EXPECT_EQ(lb.server_id(bytes(test::make_cid(fresh, {1, 2, 3, 4}, Octets(8))))->text(),
            "01020304");
}

TEST(QuicLb, AConnectionIdThatIsTooShortOrOfNoConfigurationIsNotRoutable) {
  const QuicLbConfig config{2, 3, 5, test::key_from_hex(kKey)};
  const auto lb = QuicLb::create(std::vector{config}).value();
  Octets cid = test::make_cid(config, {1, 2, 3}, Octets(5));
  for (unsigned rotation = 0; rotation < 8; ++rotation) {
    Octets other = cid;
    other[0] = static_cast<std::uint8_t>(rotation << 5 | 8);
    EXPECT_EQ(lb.server_id(bytes(other)).has_value(), rotation == 2) << rotation;
  }
  for (; !cid.empty(); cid.pop_back())
    EXPECT_EQ(lb.server_id(bytes(cid)).has_value(), cid.size() == 9) << cid.size();
  EXPECT_FALSE(lb.server_id({}));
  EXPECT_FALSE(QuicLb().server_id(bytes(Octets(20))));
}

TEST(QuicLb, ConfigurationsOutOfRangeAreRefusedByPlaceAndReason) {
  const auto refusal = [](QuicLbConfig second) {
    const auto lb = QuicLb::create(std::vector{QuicLbConfig{1, 2, 6, {}}, second});
    return lb ? std::string("none") : lb.error().where + ": " + lb.error().message;
  };
  EXPECT_EQ(refusal({0, 15, 4, {}}), "none");
  EXPECT_EQ(refusal({6, 1, 18, {}}), "none");
  EXPECT_EQ(refusal({7, 2, 6, {}}), "1: rotation 7 is not in 0 to 6");
  EXPECT_EQ(refusal({1, 2, 6, {}}), "1: rotation 1 comes twice");
  EXPECT_EQ(refusal({2, 0, 6, {}}), "1: a server id of 0 octets is not in 1 to 15");
  EXPECT_EQ(refusal({2, 16, 4, {}}), "1: a server id of 16 octets is not in 1 to 15");
  EXPECT_EQ(refusal({2, 3, 3, {}}),
            "1: a nonce of 3 octets is not in 4 to 16 (server id and nonce: at most 19)");
  EXPECT_EQ(refusal({2, 14, 6, {}}),
            "1: a nonce of 6 octets is not in 4 to 5 (server id and nonce: at most 19)");
}

TEST(ServerIdText, IsPairsOfHexadecimalDigitsUpTo15) {
  EXPECT_EQ(ServerId::parse("0aFf")->text(), "0aff");
  EXPECT_EQ(ServerId::parse(std::string(30, '1'))->size(), 15U);
  for (const char* wrong : {"", "1", "123", "0g", "0x11", " 11"})
    EXPECT_FALSE(ServerId::parse(wrong)) << wrong;
  EXPECT_FALSE(ServerId::parse(std::string(32, '1')));
  EXPECT_NE(ServerId::parse("00"), ServerId::parse("0000"));
}

}  // namespace
}  // namespace sluice
