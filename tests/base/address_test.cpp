// SPDX-License-Identifier: Apache-2.0
// Addresses and prefixes: what is accepted, what is refused, and that printing undoes parsing.
#include "base/address.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace sluice {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

TEST(MacAddress, PrintsWhatItParsed) {
  EXPECT_EQ(MacAddress::parse("02:00:00:00:01:11").value().text(), "02:00:00:00:01:11");
  EXPECT_EQ(MacAddress::parse("FE-dc-BA-98-76-54").value().text(), "fe:dc:ba:98:76:54");
}

TEST(MacAddress, BytesStandInTheOrderOfTheText) {
  const std::array<std::uint8_t, 6> expected{0x01, 0x23, 0x45, 0x67, 0x89, 0xab};
  EXPECT_EQ(MacAddress::parse("01:23:45:67:89:ab").value().bytes, expected);
}

TEST(MacAddress, AnythingElseIsRefused) {
  for (const char* wrong :
       {"", "02:00:00:00:01", "02:00:00:00:01:11:22", "02:00:00:00:01:1", "2:00:00:00:01:11",
        "02:00:00:00:01:1g", "02:00:00:00:01:-1", "02:00:00:00:01: 1", " 2:00:00:00:01:11",
        "02.00.00.00.01.11", "020000000111", "0x:00:00:00:01:11", "02:00:00:00:01:11 "})
    EXPECT_FALSE(MacAddress::parse(wrong)) << wrong;
}

TEST(MacAddress, GroupBitAndZeroAreTold) {
  EXPECT_TRUE(MacAddress::parse("ff:ff:ff:ff:ff:ff")->is_multicast());
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
  EXPECT_FALSE(MacAddress::parse("02:00:5e:00:00:01")->is_multicast());
  EXPECT_TRUE(MacAddress::parse("00:00:00:00:00:00")->is_zero());
  EXPECT_FALSE(MacAddress::parse("00:00:00:00:00:01")->is_zero());
}

TEST(IpAddress, PrintsWhatItParsed) {
  for (const char* text : {"0.0.0.0", "203.0.113.10", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1234:5678:9abc:def0", "::ffff:203.0.113.10"})
    EXPECT_EQ(ip(text).text(), text);
  EXPECT_EQ(ip("2001:DB8:0:0:0:0:0:1").text(), "2001:db8::1");
}

TEST(IpAddress, EveryIpv4AddressSurvivesPrintingAndParsing) {  // a random sample of them
  std::mt19937 random(1);
  for (int i = 0; i < 10'000; ++i) {
    std::array<std::uint8_t, 4> bytes{};
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    ASSERT_EQ(ip(IpAddress::v4(bytes).text()), IpAddress::v4(bytes));
  }
}

TEST(IpAddress, EveryIpv6AddressSurvivesPrintingAndParsing) {
  std::mt19937 random(2);
  for (int i = 0; i < 10'000; ++i) {
    std::array<std::uint8_t, 16> bytes{};
    for (auto& b : bytes)
      b = random() % 2 == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(random());
    ASSERT_EQ(ip(IpAddress::v6(bytes).text()), IpAddress::v6(bytes));
  }
}

TEST(IpAddress, AnythingElseIsRefused) {
  const std::string longest(64, '1');
  for (const std::string& wrong :
       {std::string(), std::string("203.0.113"), std::string("203.0.113.256"),
        std::string("203.0.113.10.1"), std::string("203.0.113.010"), std::string("0xcb.0.113.10"),
        std::string("3405803786"), std::string(" 203.0.113.10"), std::string("203.0.113.10 "),
        std::string("203.0.113.10/32"), std::string("203.0.113.10\0", 13),
        std::string("2001:db8:::1"), std::string("2001:db8::1%eth0"), std::string("[::1]"),
        std::string("localhost"), std::string(":"), longest})
    EXPECT_FALSE(IpAddress::parse(wrong)) << wrong;
}

TEST(IpAddress, WordsHoldTheBytesAsAPacketDoes) {
  const auto four = ip("203.0.113.10").words();
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), four.data(), sizeof four);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 16>{203, 0, 113, 10}));
  const auto six = ip("2001:db8::1").words();
  std::memcpy(bytes.data(), six.data(), sizeof six);
  EXPECT_EQ(bytes, ip("2001:db8::1").bytes());
}

TEST(IpAddress, KindsAreToldApart) {
  EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
  EXPECT_TRUE(ip("::").is_unspecified());
  EXPECT_FALSE(ip("0.0.0.1").is_unspecified());
  EXPECT_TRUE(ip("224.0.0.1").is_multicast());
  EXPECT_TRUE(ip("239.255.255.255").is_multicast());
  EXPECT_FALSE(ip("223.255.255.255").is_multicast());
  EXPECT_FALSE(ip("240.0.0.0").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_FALSE(ip("fe80::1").is_multicast());
  EXPECT_TRUE(ip("127.255.0.1").is_loopback());
  EXPECT_FALSE(ip("128.0.0.1").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_FALSE(ip("::2").is_loopback());
  EXPECT_FALSE(ip("1::1").is_loopback());
}

TEST(IpAddress, FamiliesNeverCompareEqual) {
  EXPECT_NE(ip("0.0.0.0"), ip("::"));
  EXPECT_NE(ip("203.0.113.10"), ip("cb00:710a::"));
}

TEST(IpPrefix, PrintsWhatItParsed) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "203.0.113.8/29", "203.0.113.10", "::/0",
                           "2001:db8::/32", "2001:db8::1"})
    EXPECT_EQ(prefix(text).text(), text);
  EXPECT_EQ(prefix("203.0.113.10/32").text(), "203.0.113.10");
  EXPECT_EQ(prefix("2001:db8::1/128").text(), "2001:db8::1");
}

TEST(IpPrefix, AnythingElseIsRefused) {
  for (const char* wrong :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
        "10.0.0.0/8/8", "10.0.0.0/a", "10.0.0.0/99999999999", "2001:db8::/129", "10/8"})
    EXPECT_FALSE(IpPrefix::parse(wrong)) << wrong;
}

TEST(IpPrefix, BitsBeyondTheLengthAreRefused) {
  EXPECT_FALSE(IpPrefix::parse("10.0.0.1/8"));
  EXPECT_FALSE(IpPrefix::parse("203.0.113.10/30"));
  EXPECT_TRUE(IpPrefix::parse("203.0.113.10/31"));
  EXPECT_FALSE(IpPrefix::parse("2001:db8::1/64"));
}

TEST(IpPrefix, ContainsFromItsFirstAddressToItsLast) {
  const auto p = prefix("203.0.113.8/29");
  EXPECT_FALSE(p.contains(ip("203.0.113.7")));
  EXPECT_TRUE(p.contains(ip("203.0.113.8")));
  EXPECT_TRUE(p.contains(ip("203.0.113.15")));
  EXPECT_FALSE(p.contains(ip("203.0.113.16")));
}

TEST(IpPrefix, LengthZeroContainsItsWholeFamilyAndNoOther) {
  EXPECT_TRUE(prefix("0.0.0.0/0").contains(ip("255.255.255.255")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(ip("::")));
  EXPECT_TRUE(prefix("::/0").contains(ip("2001:db8::1")));
  EXPECT_FALSE(prefix("::/0").contains(ip("203.0.113.10")));
}

TEST(IpPrefix, FullLengthContainsOneAddress) {
  EXPECT_TRUE(prefix("203.0.113.10").contains(ip("203.0.113.10")));
  EXPECT_FALSE(prefix("203.0.113.10").contains(ip("203.0.113.11")));
  EXPECT_TRUE(prefix("2001:db8::1").contains(ip("2001:db8::1")));
  EXPECT_FALSE(prefix("2001:db8::1").contains(ip("2001:db8::2")));
}

}  // namespace
}  // namespace sluice
