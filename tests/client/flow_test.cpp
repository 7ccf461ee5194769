// SPDX-License-Identifier: Apache-2.0
#include "client/flow.hpp"

#include "client/run.hpp"

#include <gtest/gtest.h>

namespace sluice::client {
namespace {

struct Case {
  std::string words;
  std::string expected;
};

class ValidFlow : public testing::TestWithParam<Case> {};

TEST_P(ValidFlow, IsRead) {
  const auto flow = parse_flow(split(GetParam().words));
  ASSERT_TRUE(flow) << flow.error().text();
  EXPECT_EQ(flow->text(), GetParam().expected);
}

constexpr auto kPlain = "tcp 198.51.100.7:40000 -> 203.0.113.10:443";
INSTANTIATE_TEST_SUITE_P(Forms, ValidFlow,
                         testing::Values(Case{"tcp 198.51.100.7:40000 203.0.113.10:443", kPlain},
                                         Case{"tcp:198.51.100.7:40000-203.0.113.10:443", kPlain},
                                         Case{"udp 198.51.100.7:0 203.0.113.10:65535",
                                              "udp 198.51.100.7:0 -> 203.0.113.10:65535"},
                                         Case{"tcp [2001:db8::7]:40000 [2001:db8::10]:443",
                                              "tcp [2001:db8::7]:40000 -> [2001:db8::10]:443"},
                                         Case{"udp:[2001:db8::7]:1-[2001:db8::10]:2",
                                              "udp [2001:db8::7]:1 -> [2001:db8::10]:2"}));

class InvalidFlow : public testing::TestWithParam<Case> {};

TEST_P(InvalidFlow, IsRefusedByItsPart) {
  const auto flow = parse_flow(split(GetParam().words));
  ASSERT_FALSE(flow);
  EXPECT_EQ(flow.error().code, Errc::kInvalid);
  EXPECT_EQ(flow.error().text(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Parts, InvalidFlow,
    testing::Values(
        Case{"", "flow: 0 words; a flow is PROTOCOL SOURCE:PORT DESTINATION:PORT"},
        Case{"tcp 1.2.3.4:5", "flow: 2 words; a flow is PROTOCOL SOURCE:PORT DESTINATION:PORT"},
        Case{"tcp",
             "flow: 'tcp': a flow is PROTOCOL SOURCE:PORT DESTINATION:PORT, or "
             "PROTOCOL:SOURCE:PORT-DESTINATION:PORT"},
        Case{"a-b:c",
             "flow: 'a-b:c': a flow is PROTOCOL SOURCE:PORT DESTINATION:PORT, or "
             "PROTOCOL:SOURCE:PORT-DESTINATION:PORT"},
        Case{"tpc 1.2.3.4:5 1.2.3.4:6",
             "protocol: 'tpc' is neither tcp nor udp, did you mean 'tcp'?"},
        Case{"icmp 1.2.3.4:5 1.2.3.4:6", "protocol: 'icmp' is neither tcp nor udp"},
        Case{"tcp 1.2.3.4 1.2.3.4:6", "source: '1.2.3.4' has no port; write ADDRESS:PORT"},
        Case{"tcp 1.2.3.4: 1.2.3.4:6", "source: '' is not a port from 0 to 65535"},
        Case{"tcp 1.2.3.4:65536 1.2.3.4:6", "source: '65536' is not a port from 0 to 65535"},
        Case{"tcp 1.2.3.4:-1 1.2.3.4:6", "source: '-1' is not a port from 0 to 65535"},
        Case{"tcp 1.2.3.4:80x 1.2.3.4:6", "source: '80x' is not a port from 0 to 65535"},
        Case{"tcp 1.2.3.256:5 1.2.3.4:6", "source: '1.2.3.256' is not an IPv4 address"},
        Case{"tcp :5 1.2.3.4:6", "source: '' is not an IPv4 address"},
        Case{"tcp 1.2.3.4:5 host:6", "destination: 'host' is not an IPv4 address"},
        Case{"tcp 2001:db8::7:5 1.2.3.4:6",
             "source: '2001:db8::7:5': an IPv6 address stands in brackets; write [ADDRESS]:PORT"},
        Case{"tcp [2001:db8::7:5 1.2.3.4:6",
             "source: '[2001:db8::7:5' has no closing bracket; write [ADDRESS]:PORT"},
        Case{"tcp [2001:db8::7] 1.2.3.4:6",
             "source: '[2001:db8::7]' has no port; write [ADDRESS]:PORT"},
        Case{"tcp [2001:db8::7]80 1.2.3.4:6",
             "source: '[2001:db8::7]80' has no port; write [ADDRESS]:PORT"},
        Case{"tcp [1.2.3.4]:5 1.2.3.4:6", "source: '1.2.3.4' is not an IPv6 address"},
        Case{"tcp []:5 1.2.3.4:6", "source: '' is not an IPv6 address"},
        Case{"tcp [2001:db8::7]:5 1.2.3.4:6",
             "destination: '1.2.3.4:6' and the source are not of one family"},
        Case{"tcp \x1b[31m:5 1.2.3.4:6", "source: '\\x1b[31m' is not an IPv4 address"}));

TEST(InvalidFlowText, LongWordsAreCutInTheMessage) {
  const std::vector<std::string> words{"tcp", std::string(1U << 16U, 'a'), "1.2.3.4:5"};
  const auto flow = parse_flow(words);
  ASSERT_FALSE(flow);
  EXPECT_LT(flow.error().text().size(), 200U);
}

}  // namespace
}  // namespace sluice::client
