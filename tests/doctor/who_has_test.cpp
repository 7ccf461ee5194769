// SPDX-License-Identifier: Apache-2.0
#include "doctor/who_has.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice::doctor {
namespace {

const MacAddress kOwn{{2, 0, 0, 0, 0, 1}};
const IpAddress kAddress = IpAddress::v4({203, 0, 113, 10});

// What the owner of the address answers to a probe.
std::vector<std::byte> reply(const MacAddress& mac) {
  auto frame = arp_probe(mac, {});
  frame[21] = std::byte{2};
  for (std::size_t i = 0; i < 4; ++i) frame[28 + i] = std::byte{kAddress.bytes()[i]};
  return frame;
}

TEST(WhoHas, AProbeNamesNoSenderSoThatNobodyLearnsOne) {
  const auto frame = arp_probe(kOwn, kAddress);
  ASSERT_EQ(frame.size(), 42U);
  for (std::size_t i = 28; i < 32; ++i) EXPECT_EQ(frame[i], std::byte{0});
  EXPECT_EQ(frame[38], std::byte{203});
  EXPECT_FALSE(read_arp_reply(frame)) << "a question is no answer";
}

TEST(WhoHas, AReplyTellsWhoHasTheAddress) {
  const auto read = read_arp_reply(reply(kOwn));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->first, kAddress);
  EXPECT_EQ(read->second, kOwn);
}

TEST(WhoHas, CutAndRandomFramesAreNoReplies) {
  const auto whole = reply(kOwn);
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_FALSE(read_arp_reply(std::span(whole).first(n)));
  std::mt19937 random(3);
  for (int i = 0; i < 10'000; ++i) {
    std::vector<std::byte> frame(random() % 80);
    for (auto& byte : frame) byte = static_cast<std::byte>(random());
    EXPECT_FALSE(read_arp_reply(frame));
  }
}

}  // namespace
}  // namespace sluice::doctor
