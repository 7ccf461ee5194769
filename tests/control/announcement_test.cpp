// SPDX-License-Identifier: Apache-2.0
#include "control/announcement.hpp"

#include "control/sample.hpp"
#include "netlink/network_namespace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

std::vector<std::string> told(const EventLog& events) {
  std::vector<std::string> kinds;
  for (const auto* event : events.since(1, 100).events) kinds.push_back(event->event);
  return kinds;
}

TEST(ServiceAddresses, AreEachThereOnce) {
  auto c = sample(1);
  c.services.push_back(c.services[0]);
  c.services[1].port = 80;
  c.services.push_back(c.services[0]);
  c.services[2].address = IpAddress::parse("2001:db8::1").value();
  EXPECT_EQ(service_addresses(c).size(), 2U);
}

// Three services at three addresses, each with a pool of its own: p0, p1, p2.
config::Configuration three_services() {
  auto c = sample(1);
  for (unsigned i = 0; i < 3; ++i) {
    if (i != 0) {
      c.pools.push_back(c.pools[0]);
      c.services.push_back(c.services[0]);
    }
    c.pools[i].name = "p" + std::to_string(i);
    c.services[i].name = "s" + std::to_string(i);
    c.services[i].address = IpAddress::parse("203.0.113.1" + std::to_string(i)).value();
    c.services[i].pool = c.pools[i].name;
  }
  return c;
}
PoolServes only(std::string name) {
  return [name = std::move(name)](const config::Pool& pool) { return pool.name == name; };
}
std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> all;
  for (const auto& address : addresses) all.push_back(address.text());
  return all;
}

TEST(ServiceAddresses, AreLeftOutWhoseOwnPoolDoesNotServe) {
  const auto c = three_services();
  EXPECT_THAT(texts(service_addresses(c, only("p1"))), ElementsAre("203.0.113.11"));
  EXPECT_THAT(texts(service_addresses(c, only("none"))), ElementsAre());
}

TEST(ServiceAddresses, StayWhileAnyServiceThereOrAnyShardOfOneServes) {
  auto c = three_services();
  c.services[0].address = c.services[1].address;
  c.services[2].shards.push_back({.pool = "p1"});
  EXPECT_THAT(texts(service_addresses(c, only("p1"))), ElementsAre("203.0.113.11", "203.0.113.12"));
}

TEST(ServiceAddresses, StayWhileThePoolThatTakesTheOverflowServes) {
  auto c = three_services();
  c.pools[0].overflow = "p1";
  c.pools[1].overflow = "p2";
  EXPECT_EQ(service_addresses(c, only("p2")).size(), 3U);
  EXPECT_THAT(texts(service_addresses(c, only("p0"))), ElementsAre("203.0.113.10"));
}

TEST(Announcement, AddressWithoutABackendIsWithdrawnAloneAndComesBack) {
  const auto why = netlink::in_namespaces([](const netlink::Lab& lab) {
    const auto c = three_services();
    EventLog events;
    EventLoop::Clock::time_point now{};
    Announcement announcement(netlink::Announcer::open("vips", true).value(), events);
    announcement.step("", c, now);
    announcement.step("", c, now, [](const auto& pool) { return pool.name != "p1"; });
    const auto there = lab.output("ip -o address show dev vips");
    EXPECT_THAT(there, Not(HasSubstr("203.0.113.11/32")));
    EXPECT_THAT(there, HasSubstr("203.0.113.10/32"));
    EXPECT_THAT(there, HasSubstr("203.0.113.12/32"));
    announcement.step("", c, now);
    EXPECT_THAT(lab.output("ip -o address show dev vips"), HasSubstr("203.0.113.11/32"));
    EXPECT_THAT(told(events), ElementsAre("announced", "withdrawn", "announced"));
    EXPECT_THAT(events.since(2, 1).events.at(0)->text,
                HasSubstr("203.0.113.11 on vips: no backend serves it"));
  });
  if (!why.empty()) GTEST_SKIP() << why;
}

TEST(Announcement, AddressesAreOnTheLinkWhileTheNodeIsReady) {
  const auto why = netlink::in_namespaces([](const netlink::Lab& lab) {
    const auto c = sample(1);
    EventLog events;
    EventLoop::Clock::time_point now{};
    Announcement announcement(netlink::Announcer::open("vips", true).value(), events);
    announcement.step("no pool has a backend that takes flows", c, now);
    EXPECT_THAT(lab.output("ip -o address show dev vips"), Not(HasSubstr("203.0.113.10")));
    EXPECT_TRUE(told(events).empty()) << "nothing was announced that could be withdrawn";
    announcement.step("", c, now);
    EXPECT_THAT(lab.output("ip -o address show dev vips"), HasSubstr("203.0.113.10/32"));
    EXPECT_EQ(announcement.announced().size(), 1U);
    announcement.step("stopping", c, now);
    EXPECT_THAT(lab.output("ip -o address show dev vips"), Not(HasSubstr("203.0.113.10")));
    EXPECT_THAT(told(events), ElementsAre("announced", "withdrawn"));
  });
  if (!why.empty()) GTEST_SKIP() << why;
}

TEST(Announcement, WhatOthersRemovedIsMendedInTime) {
  const auto why = netlink::in_namespaces([](const netlink::Lab& lab) {
    const auto c = sample(1);
    EventLog events;
    EventLoop::Clock::time_point now{};
    Announcement announcement(netlink::Announcer::open("vips", true).value(), events);
    announcement.step("", c, now);
    lab.ours("ip address del 203.0.113.10/32 dev vips");
    announcement.step("", c, now);
    EXPECT_THAT(lab.output("ip -o address show dev vips"), Not(HasSubstr("203.0.113.10")));
    announcement.step("", c, now + Announcement::kMendEvery);
    EXPECT_THAT(lab.output("ip -o address show dev vips"), HasSubstr("203.0.113.10/32"));
  });
  if (!why.empty()) GTEST_SKIP() << why;
}

TEST(Announcement, LinkThatGoesAwayIsToldOfOnce) {
  const auto why = netlink::in_namespaces([](const netlink::Lab& lab) {
    const auto c = sample(1);
    EventLog events;
    EventLoop::Clock::time_point now{};
    lab.ours("ip link add vips type veth peer name vips-2");
    Announcement announcement(netlink::Announcer::open("vips", false).value(), events);
    announcement.step("", c, now);
    lab.ours("ip link del vips");
    for (int i = 1; i < 4; ++i) announcement.step("", c, now + i * Announcement::kMendEvery);
    EXPECT_THAT(told(events), ElementsAre("announced", "failed"));
    EXPECT_THAT(announcement.problem(), HasSubstr("vips"));
  });
  if (!why.empty()) GTEST_SKIP() << why;
}

}  // namespace
}  // namespace sluice::control
