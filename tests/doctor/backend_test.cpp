// SPDX-License-Identifier: Apache-2.0
// Each fault that keeps traffic from a backend is told from the others by what is heard.
#include "doctor/backend.hpp"

#include "config/decode.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::doctor {
namespace {

using health::Fault;
using health::Outcome;
using testing::HasSubstr;

BackendQuestion question() {
  BackendQuestion q{.pool = "llama",
                    .backend = "gpu-2",
                    .address = *IpAddress::parse("10.0.1.12"),
                    .service = IpAddress::parse("203.0.113.10"),
                    .port = 80,
                    .health_port = 80,
                    .mtu = 1500};
  q.encapsulation = config::Encapsulation{};
  return q;
}

Outcome heard(Fault fault) { return {.fault = fault}; }

BackendAnswer well() {
  BackendAnswer a;
  a.hop.state = netlink::HopState::kReady;
  a.hop.interface = "lb0";
  a.hop.on_link = true;
  a.echo = true;
  a.longest_echo = 1500;
  for (auto* one : {&a.server, &a.tunnel, &a.service}) *one = heard(Fault::kNone);
  return a;
}

std::vector<Finding> judged(const BackendQuestion& q, const BackendAnswer& a) {
  Findings findings;
  judge(q, a, findings);
  return findings.list();
}

// The only finding.
Finding one(const BackendQuestion& q, const BackendAnswer& a) {
  const auto all = judged(q, a);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? Finding{} : all.front();
}

TEST(JudgeBackend, AllIsWell) {
  const auto finding = one(question(), well());
  EXPECT_EQ(finding.level, Level::kOk);
  EXPECT_THAT(finding.what, HasSubstr("1500 bytes come through"));
}

TEST(JudgeBackend, TheVipIsMissing) {
  auto a = well();
  a.service = heard(Fault::kTimeout);
  const auto finding = one(question(), a);
  EXPECT_EQ(finding.level, Level::kFail);
  EXPECT_THAT(finding.what, HasSubstr("VIP 203.0.113.10 is missing"));
  EXPECT_EQ(finding.remedy, "on gpu-2: ip addr add 203.0.113.10/32 dev lo");
}

TEST(JudgeBackend, TheTunnelIsNotTakenOff) {
  auto a = well();
  a.service = a.tunnel = heard(Fault::kTimeout);
  EXPECT_THAT(one(question(), a).what, HasSubstr("does not take the tunnel's header off"));
}

TEST(JudgeBackend, TheHealthPortIsWrong) {
  auto q = question();
  q.health_port = 8001;
  auto a = well();
  a.check = heard(Fault::kRefused);
  const auto finding = one(q, a);
  EXPECT_EQ(finding.check, "health llama/gpu-2");
  EXPECT_THAT(finding.what, HasSubstr("health port 8001 is wrong"));
  EXPECT_THAT(finding.remedy, HasSubstr("to 80, then sluicectl reload"));
}

TEST(JudgeBackend, TheServerItselfDoesNotRun) {
  auto a = well();
  a.server = a.service = a.tunnel = a.check = heard(Fault::kRefused);
  EXPECT_THAT(one(question(), a).remedy, HasSubstr("start what listens on port 80"));
  a.check.reset();
  EXPECT_THAT(one(question(), a).what, HasSubstr("no server listens on port 80"));
}

TEST(JudgeBackend, ItsWeightIsNothing) {
  auto q = question();
  q.weight = 0;
  const auto finding = one(q, well());
  EXPECT_EQ(finding.level, Level::kWarn);
  EXPECT_EQ(finding.remedy, "sluicectl backend weight llama gpu-2 100");
}

TEST(JudgeBackend, TheNeighbourIsUnresolved) {
  BackendAnswer a;
  a.hop.state = netlink::HopState::kNoAnswer;
  a.hop.interface = "lb0";
  a.hop.on_link = true;
  a.hop.problem = "no answer to ARP on lb0";
  const auto finding = one(question(), a);
  EXPECT_THAT(finding.what, HasSubstr("neighbour unresolved"));
  EXPECT_THAT(finding.remedy, HasSubstr("ip neigh show 10.0.1.12 dev lb0"));
}

TEST(JudgeBackend, ANeighbourOfTheFileNeedNotBeKnownToTheKernel) {
  auto q = question();
  q.neighbour = true;
  auto a = well();
  a.hop.state = netlink::HopState::kNoRoute;
  EXPECT_EQ(one(q, a).level, Level::kOk);
}

TEST(JudgeBackend, TheWayIsTooNarrow) {
  auto a = well();
  a.longest_echo = 1400;
  const auto finding = one(question(), a);
  EXPECT_EQ(finding.check, "mtu llama/gpu-2");
  EXPECT_THAT(finding.what, HasSubstr("wrong MTU on the way: packets of 1500 bytes"));
  EXPECT_THAT(finding.remedy, HasSubstr("ip route replace 10.0.1.12 dev lb0 mtu 1400"));
}

TEST(JudgeBackend, WhoFiltersEchoesIsNotSuspectedOfANarrowWay) {
  auto a = well();
  a.echo = false;
  a.longest_echo = 0;
  EXPECT_EQ(one(question(), a).level, Level::kOk);
}

TEST(JudgeBackend, WhatMayNotBeAskedIsNoFaultOfTheBackend) {
  auto a = well();
  a.service = heard(Fault::kLocal);
  const auto finding = one(question(), a);
  EXPECT_EQ(finding.level, Level::kWarn);
  EXPECT_EQ(finding.remedy, "run it as root");
}

TEST(JudgeBackend, OneThatIsSilentThoughItsMacIsKnown) {
  BackendAnswer a = well();
  a.echo = false;
  a.longest_echo = 0;
  a.server = a.service = a.tunnel = heard(Fault::kTimeout);
  EXPECT_THAT(one(question(), a).what, HasSubstr("answers nothing"));
}

TEST(JudgeBackend, EveryFaultHasARemedy) {
  constexpr Fault kFaults[] = {Fault::kNone, Fault::kRefused, Fault::kTimeout, Fault::kLocal,
                               Fault::kStatus};
  for (const auto server : kFaults)
    for (const auto tunnel : kFaults)
      for (const auto service : kFaults)
        for (const auto check : kFaults) {
          auto a = well();
          a.server = heard(server);
          a.tunnel = heard(tunnel);
          a.service = heard(service);
          a.check = heard(check);
          const auto all = judged(question(), a);
          EXPECT_FALSE(all.empty());
          for (const auto& finding : all)
            EXPECT_EQ(finding.remedy.empty(), finding.level == Level::kOk) << finding.what;
        }
}

TEST(JudgeClaim, ABackendThatAnswersForTheVipIsNamed) {
  Findings findings;
  judge(Claim{*IpAddress::parse("203.0.113.10"), MacAddress{{2, 0, 0, 0, 1, 2}}, "lb0",
              "llama/gpu-2"},
        findings);
  judge(Claim{*IpAddress::parse("203.0.113.10"), MacAddress{{2, 0, 0, 0, 1, 9}}, "lb0", ""},
        findings);
  ASSERT_EQ(findings.list().size(), 2U);
  EXPECT_THAT(findings.list()[0].remedy, HasSubstr("on gpu-2: sysctl -w"));
  EXPECT_THAT(findings.list()[1].what, HasSubstr("02:00:00:00:01:09 on lb0 claims it too"));
}

TEST(BackendQuestions, PortsComeFromBackendServiceAndCheck) {
  const auto decoded = config::decode(R"({
    "ports": [{"name": "front", "device": "net_af_packet0,iface=lb0", "mtu": 9000}],
    "services": [{"name": "chat", "address": "203.0.113.10", "port": 443, "pool": "a"}],
    "pools": [{"name": "a", "forwarding": "l2dsr", "health": {"type": "tcp", "port": 8000},
               "backends": [{"name": "x", "address": "10.0.1.1", "weight": 0}, {"name": "y", "address": "10.0.1.2"}]},
              {"name": "b", "forwarding": "l2dsr", "backends": [{"name": "z", "address": "10.0.1.3"}]}]})");
  ASSERT_TRUE(decoded.faults.empty()) << decoded.faults.front().text();
  const auto all = backend_questions(decoded.configuration, 10);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].port, 443);
  EXPECT_EQ(all[0].health_port, 8000);
  EXPECT_EQ(all[0].weight, 0U);
  EXPECT_EQ(all[0].mtu, 9000U);
  EXPECT_FALSE(all[2].service);
  EXPECT_EQ(all[2].port, 0);
  EXPECT_EQ(backend_questions(decoded.configuration, 2).size(), 2U);
}

}  // namespace
}  // namespace sluice::doctor
