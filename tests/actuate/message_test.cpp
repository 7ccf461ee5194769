// SPDX-License-Identifier: Apache-2.0
#include "actuate/message.hpp"

#include "actuate/slices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::actuate {
namespace {

using testing::HasSubstr;

TEST(ActuatorMessage, ListHasNoNameAndStartHas) {
  EXPECT_EQ(text_of({.id = "n-1", .verb = Verb::kList, .pool = "p"}),
            R"({"action":"list","id":"n-1","pool":"p"})");
  EXPECT_EQ(
      text_of(
          {.id = "n-2", .verb = Verb::kStart, .pool = "p", .backend_class = "c", .name = "p-c-1"}),
      R"({"action":"start","class":"c","id":"n-2","name":"p-c-1","pool":"p"})");
}

TEST(ActuatorMessage, TheOwnerGoesOutAndComesBack) {
  EXPECT_EQ(text_of({.id = "n-1", .verb = Verb::kList, .pool = "p", .owner = "edge-1/p"}),
            R"({"action":"list","id":"n-1","owner":"edge-1/p","pool":"p"})");
  const auto members = parse_members(
      R"({"backends":[{"name":"a","address":"10.0.0.1","owner":"edge-1/p"},
                      {"name":"b","address":"10.0.0.2","owner":null}]})");
  ASSERT_TRUE(members);
  EXPECT_EQ((*members)[0].owner, "edge-1/p");
  EXPECT_TRUE((*members)[1].owner.empty());
  for (const auto* bad : {"3", R"("a\nb")", R"("a\u00e4")"})
    EXPECT_FALSE(parse_members(
        fmt::format(R"({{"backends":[{{"name":"a","address":"10.0.0.1","owner":{}}}]}})", bad)))
        << bad;
}

TEST(ActuatorMessage, KeysThatAreNotKnownArePassedOverAndSomeMayBeMissing) {
  const auto members = parse_members(
      R"({"more":{},"backends":[{"name":"a","address":"2001:db8::1","zone":"x","class":null}]})");
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 1U);
  EXPECT_EQ(members->front().address.text(), "2001:db8::1");
  EXPECT_EQ(members->front().port, 0);
  EXPECT_TRUE(members->front().backend_class.empty());
}

struct Bad {
  const char* text;
  const char* error;
};

class BadAnswer : public testing::TestWithParam<Bad> {};

TEST_P(BadAnswer, IsRefusedWithItsPlace) {
  const auto members = parse_members(GetParam().text);
  ASSERT_FALSE(members);
  EXPECT_THAT(members.error().text(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadAnswer,
    testing::Values(
        Bad{"", "no JSON object"}, Bad{"[]", "no JSON object"}, Bad{"{}", "/backends: is no list"},
        Bad{"{\"backends\":[", "no JSON object: '{\"backends\":['"}, Bad{"\x1b[2J\n{", "'?[2J {'"},
        Bad{R"({"backends":[1]})", "/backends/0: is no object"},
        Bad{R"({"backends":[{"address":"10.0.0.1"}]})", "/backends/0/name"},
        Bad{R"({"backends":[{"name":"../a","address":"10.0.0.1"}]})", "/backends/0/name"},
        Bad{R"({"backends":[{"name":"a"}]})", "/backends/0/address: is no IP address"},
        Bad{R"({"backends":[{"name":"a","address":"host"}]})", "is no IP address"},
        Bad{R"({"backends":[{"name":"a","address":"0.0.0.0"}]})", "the unspecified address"},
        Bad{R"({"backends":[{"name":"a","address":"127.0.0.1"}]})", "a loopback address"},
        Bad{R"({"backends":[{"name":"a","address":"ff02::1"}]})", "a multicast address"},
        Bad{R"({"backends":[{"name":"a","address":"fe80::1"}]})", "a link-local address"},
        Bad{R"({"backends":[{"name":"a","address":"255.255.255.255"}]})", "the broadcast address"},
        Bad{R"({"backends":[{"name":"a","address":"10.0.0.1","port":65536}]})", "/port"},
        Bad{R"({"backends":[{"name":"a","address":"10.0.0.1","port":-1}]})", "/port"},
        Bad{R"({"backends":[{"name":"a","address":"10.0.0.1","port":"80"}]})", "/port"},
        Bad{R"({"backends":[{"name":"a","address":"10.0.0.1","class":7}]})", "/class"},
        Bad{R"({"backends":[{"name":"a","address":"10.0.0.1","state":"up"}]})", "/state"},
        Bad{R"({"backends":[{"name":"a","address":"10.0.0.1"},{"name":"a","address":"10.0.0.2"}]})",
            "/backends/1/name: is there twice"}));

TEST(ActuatorMessage, AnswersOutOfBoundsAreRefused) {
  EXPECT_FALSE(parse_members(std::string(kLongestAnswer + 1, ' ')));
  EXPECT_FALSE(parse_members(std::string(100'000, '[')));
  EXPECT_FALSE(
      parse_members("{\"backends\":[],\"x\":" + std::string(20, '[') + std::string(20, ']') + "}"));
  std::string many = "{\"backends\":[";
  for (std::size_t i = 0; i <= kMostMembers; ++i) many += i == 0 ? "{}" : ",{}";
  EXPECT_FALSE(parse_members(many + "]}"));
}

TEST(ActuatorMessage, OnlyStartsAndListsNeedAnAnswer) {
  for (const Verb verb : {Verb::kStop, Verb::kSleep, Verb::kWake})
    EXPECT_TRUE(parse_answer({.verb = verb}, "\n")) << name_of(verb);
  for (const Verb verb : {Verb::kStart, Verb::kList})
    EXPECT_FALSE(parse_answer({.verb = verb}, "\n")) << name_of(verb);
}

TEST(ActuatorMessage, TextOfStrangersIsOneLineAndBounded) {
  EXPECT_EQ(printable(" a\n\t b\x01\xff "), "a b??");
  EXPECT_EQ(printable(std::string(300, 'x'), 10), "xxxxxxx...");
}

TEST(Slices, IPv4CountsBeforeIPv6AndOddEndpointsAreLeftOut) {
  const auto endpoint = [](const char* address, const char* pod) {
    return fmt::format(R"({{"addresses":["{}"],"targetRef":{{"kind":"Pod","name":"{}"}}}})",
                       address, pod);
  };
  const auto page = [](const std::string& endpoints) {
    return R"({"items":[{"ports":[{"port":8000}],"endpoints":[)" + endpoints + "]}]}";
  };
  Slices slices;
  ASSERT_TRUE(slices.add(page(endpoint("2001:db8::1", "a") + "," + endpoint("127.0.0.1", "b"))));
  ASSERT_TRUE(slices.add(page(endpoint("10.0.0.1", "a") + R"(,{"addresses":["10.0.0.2"]},7)")));
  ASSERT_TRUE(slices.add(page(endpoint("2001:db8::2", "a"))));
  const auto members = slices.members();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].address.text(), "10.0.0.1");
  EXPECT_EQ(members[0].port, 8000);
  EXPECT_EQ(slices.left_out(), 3U);
}

TEST(Slices, LongPodNamesAreCutToTheirEndAndFoundAgain) {
  const std::string pod = std::string(80, 'x') + "-7d9f8-abcde";
  Slices slices;
  ASSERT_TRUE(slices.add(fmt::format(
      R"({{"items":[{{"endpoints":[{{"addresses":["10.0.0.1"],"targetRef":{{"kind":"Pod","name":"{}"}}}}]}}]}})",
      pod)));
  const auto members = slices.members();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].name.size(), kLongestName);
  EXPECT_TRUE(members[0].name.ends_with("-7d9f8-abcde"));
  EXPECT_EQ(slices.pods().at(members[0].name), pod);
}

TEST(Scale, WithoutReplicasIsZeroAndOddOnesAreRefused) {
  EXPECT_EQ(parse_scale(R"({"spec":{}})")->replicas, 0U);
  EXPECT_EQ(parse_scale(R"({"metadata":{"resourceVersion":"9"},"spec":{"replicas":3}})")->version,
            "9");
  for (const char* const text :
       {"", "[]", "{}", R"({"spec":{"replicas":-1}})", R"({"spec":{"replicas":1e9}})"})
    EXPECT_FALSE(parse_scale(text)) << text;
}

}  // namespace
}  // namespace sluice::actuate
