// SPDX-License-Identifier: Apache-2.0
#include "netlink/announcer.hpp"

#include "network_namespace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace sluice::netlink {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<IpAddress> ips(std::initializer_list<const char*> texts) {
  std::vector<IpAddress> list;
  for (const char* text : texts) list.push_back(IpAddress::parse(text).value());
  return list;
}

/// Runs `body` in a network namespace of its own, or skips.
void in_lab(const std::function<void(const Lab&)>& body) {
  if (const auto why = in_namespaces(body); !why.empty()) GTEST_SKIP() << why;
}

/// Gives a link an address as an announcer does that is killed right after.
void mark(const std::string& link, const char* address) {
  auto socket = Socket::open({}).value();
  int index = 0;
  ASSERT_TRUE(socket.ask(Request::dump_links(), [&](const Message& message) {
    if (const auto* const one = std::get_if<Link>(&message.content))
      if (one->name == link) index = one->index;
  }));
  ASSERT_TRUE(
      socket.ask(Request::add_address(index, IpAddress::parse(address).value(), Announcer::kMark),
                 [](const Message&) {}));
}

std::unique_ptr<Announcer> opened(const std::string& link, bool create) {
  auto made = Announcer::open(link, create);
  EXPECT_TRUE(made) << made.error().text();
  return made ? std::move(*made) : nullptr;
}

TEST(Announcer, LinkHasTheAddressesThatAreSetAndNoOthers) {
  in_lab([](const Lab& lab) {
    const auto announcer = opened("vips", true);
    ASSERT_NE(announcer, nullptr);
    ASSERT_TRUE(announcer->set(ips({"203.0.113.10", "203.0.113.11", "2001:db8:f::10"})));
    auto shown = lab.output("ip -o address show dev vips");
    EXPECT_THAT(shown, HasSubstr("203.0.113.10/32"));
    EXPECT_THAT(shown, HasSubstr("203.0.113.11/32"));
    // In use at once: not "tentative", as the kernel's own address of the link may be.
    EXPECT_THAT(shown, HasSubstr("2001:db8:f::10/128 scope global nodad"));
    ASSERT_TRUE(announcer->set(ips({"203.0.113.11"})));
    shown = lab.output("ip -o address show dev vips");
    EXPECT_THAT(shown, Not(HasSubstr("203.0.113.10/32")));
    EXPECT_THAT(shown, HasSubstr("203.0.113.11/32"));
    EXPECT_THAT(shown, Not(HasSubstr("2001:db8:f::10")));
  });
}

TEST(Announcer, LinkThatItMadeIsUpAndGoesWithIt) {
  in_lab([](const Lab& lab) {
    auto announcer = opened("vips", true);
    ASSERT_NE(announcer, nullptr);
    EXPECT_THAT(lab.output("ip -o link show dev vips"), HasSubstr("LOWER_UP"));
    announcer.reset();
    EXPECT_THAT(lab.output("ip -o link show"), Not(HasSubstr("vips")));
  });
}

TEST(Announcer, LinkThatWasThereStaysAndKeepsWhatOthersGaveIt) {
  in_lab([](const Lab& lab) {
    auto announcer = opened("near", true);
    ASSERT_NE(announcer, nullptr);
    ASSERT_TRUE(announcer->set(ips({"203.0.113.10"})));
    EXPECT_THAT(lab.output("ip -o address show dev near"), HasSubstr("203.0.113.10/32"));
    announcer.reset();
    const auto shown = lab.output("ip -o address show dev near");
    EXPECT_THAT(shown, Not(HasSubstr("203.0.113.10")));
    EXPECT_THAT(shown, HasSubstr("10.0.0.1/24"));
  });
}

TEST(Announcer, WhatAPredecessorLeftIsTakenAway) {
  in_lab([](const Lab& lab) {
    mark("near", "203.0.113.9");
    lab.ours("ip address add 203.0.113.8/32 dev near");
    const auto announcer = opened("near", false);
    ASSERT_NE(announcer, nullptr);
    const auto shown = lab.output("ip -o address show dev near");
    EXPECT_THAT(shown, Not(HasSubstr("203.0.113.9")));
    EXPECT_THAT(shown, HasSubstr("203.0.113.8/32"));
  });
}

TEST(Announcer, AddressThatSomebodyRemovedComesBackAndOneThatWasThereIsNoFault) {
  in_lab([](const Lab& lab) {
    lab.ours("ip address add 203.0.113.10/32 dev near");
    const auto announcer = opened("near", false);
    ASSERT_NE(announcer, nullptr);
    const auto wanted = ips({"203.0.113.10"});
    ASSERT_TRUE(announcer->set(wanted));
    lab.ours("ip address del 203.0.113.10/32 dev near");
    ASSERT_TRUE(announcer->set(wanted));
    EXPECT_THAT(lab.output("ip -o address show dev near"), HasSubstr("203.0.113.10/32"));
    ASSERT_TRUE(announcer->set({}));
    EXPECT_THAT(lab.output("ip -o address show dev near"), Not(HasSubstr("203.0.113.10")));
  });
}

TEST(Announcer, LinkThatIsMissingOrGoesAwayIsToldOf) {
  in_lab([](const Lab& lab) {
    const auto none = Announcer::open("vips", false);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Errc::kNotFound);
    EXPECT_EQ(none.error().where, "vips");
    lab.ours("ip link add gone type veth peer name gone-2");
    const auto announcer = opened("gone", false);
    ASSERT_NE(announcer, nullptr);
    lab.ours("ip link del gone");
    const auto set = announcer->set(ips({"203.0.113.10"}));
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code, Errc::kNotFound);
  });
}

TEST(Announcer, NameThatIsTooLongIsRefused) {
  EXPECT_EQ(Announcer::open("sixteen-letters-", true).error().code, Errc::kInvalid);
  EXPECT_EQ(Announcer::open("", true).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace sluice::netlink
