// SPDX-License-Identifier: Apache-2.0
#include "actuate/kubernetes.hpp"

#include "actuate/rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::actuate {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using End = Report::End;

class KubernetesActuator : public testing::Test {
 protected:
  Actuator& cluster(const json& faults) {
    const auto port = rig_.serve("kubernetes_server.py", faults.dump());
    settings_.url = fmt::format("http://127.0.0.1:{}/", port);
    settings_.token_file = rig_.file("token", "first\n");
    settings_.name_space = "models";
    settings_.endpoints = "llama";
    settings_.retries = 3;
    if (settings_.workload.empty()) settings_.workload = "deployments/llama";
    actuator_ = make(*rig_.loop, settings_, {}, rig_.on_report()).value();
    return *actuator_;
  }
  Report count(unsigned n, const std::string& victim = {}) {
    return rig_.ask(*actuator_, {.id = "edge-1-" + std::to_string(++id_),
                                 .verb = Verb::kCount,
                                 .pool = "llama",
                                 .name = victim,
                                 .count = n});
  }
  Report list() {
    return rig_.ask(
        *actuator_,
        {.id = "edge-1-" + std::to_string(++id_), .verb = Verb::kList, .pool = "llama"});
  }
  static std::vector<std::string> names(const Report& report) {
    std::vector<std::string> found;
    for (const auto& member : report.members) found.push_back(member.name);
    return found;
  }

  test::Rig rig_;
  config::Actuator settings_{.type = config::ActuatorType::kKubernetes};
  std::unique_ptr<Actuator> actuator_;
  int id_ = 0;
};

TEST_F(KubernetesActuator, SetsTheScaleAndReadsSlicesOfSeveralPages) {
  cluster(json::object());
  const Report before = list();
  EXPECT_EQ(before.end, End::kDone) << before.error;
  EXPECT_EQ(before.count, 2U);
  EXPECT_THAT(names(before), testing::ElementsAre("llama-1", "llama-2"));
  const Report set = count(5);
  EXPECT_EQ(set.end, End::kDone) << set.error;
  EXPECT_EQ(set.count, 5U);
  const Report after = list();
  EXPECT_EQ(after.count, 5U);
  EXPECT_THAT(names(after),
              testing::ElementsAre("llama-1", "llama-2", "llama-3", "llama-4", "llama-5"));
  EXPECT_EQ(after.members[4].address.text(), "10.9.0.5");
  EXPECT_EQ(after.members[4].port, 8000);
}

TEST_F(KubernetesActuator, CountThatIsSetAlreadyIsNotWritten) {
  cluster(json::object());
  EXPECT_EQ(count(2).end, End::kDone);
  for (const auto& request : rig_.lines("requests.jsonl")) EXPECT_EQ(request["method"], "GET");
}

TEST_F(KubernetesActuator, VictimIsMarkedBeforeTheCountGoesDown) {
  cluster(json::object());
  EXPECT_EQ(count(4).end, End::kDone);
  EXPECT_EQ(count(3, "llama-3").end, End::kDone);
  EXPECT_THAT(names(list()), testing::ElementsAre("llama-1", "llama-2", "llama-4"));
}

TEST_F(KubernetesActuator, VictimThatIsGoneAlreadyIsNoHindrance) {
  cluster(json::object());
  EXPECT_EQ(count(1, "llama-9").end, End::kDone);
}

TEST_F(KubernetesActuator, ConflictIsReadAnewAndTriedAgain) {
  cluster({{"conflicts", 2}});
  EXPECT_EQ(count(3).end, End::kDone);
  EXPECT_EQ(list().count, 3U);
}

TEST_F(KubernetesActuator, ConflictWithoutEndIsTold) {
  cluster({{"conflicts", 100}});
  const Report report = count(3);
  EXPECT_EQ(report.end, End::kFailed);
  EXPECT_THAT(report.error, HasSubstr("409"));
  EXPECT_THAT(report.error, HasSubstr("the object has been modified (4 attempts)"));
}

TEST_F(KubernetesActuator, WorkloadThatIsNotThereIsNamed) {
  settings_.workload = "deployments/nobody";
  cluster(json::object());
  for (const Report& report : {count(3), list()}) {
    EXPECT_EQ(report.end, End::kRefused);
    EXPECT_EQ(report.error, "there is no deployments/nobody in /namespaces/models");
  }
}

TEST_F(KubernetesActuator, TokenIsReadAnewForEachRequest) {
  cluster(json::object());
  EXPECT_EQ(list().end, End::kDone);
  rig_.file("token", "second");
  EXPECT_EQ(list().end, End::kDone);
  const auto requests = rig_.lines("requests.jsonl");
  EXPECT_EQ(requests.front()["authorization"], "Bearer first");
  EXPECT_EQ(requests.back()["authorization"], "Bearer second");
}

TEST_F(KubernetesActuator, PodThatIsAboutToEndIsTold) {
  cluster({{"terminating", "llama-2"}});
  const Report report = list();
  ASSERT_EQ(report.members.size(), 2U);
  EXPECT_EQ(report.members[0].standing, Member::Standing::kAwake);
  EXPECT_EQ(report.members[1].standing, Member::Standing::kLeaving);
}

class BrokenCluster : public KubernetesActuator, public testing::WithParamInterface<const char*> {};

TEST_P(BrokenCluster, IsNoList) {
  cluster({{"broken", GetParam()}});
  const Report report = list();
  EXPECT_EQ(report.end, End::kFailed);
  EXPECT_THAT(report.error, HasSubstr("the slices: "));
  EXPECT_TRUE(report.members.empty());
}

INSTANTIATE_TEST_SUITE_P(Answers, BrokenCluster,
                         testing::Values("", "no", "[]", "{}", R"({"items":7})",
                                         R"({"items":[],"metadata":{"continue":"0"}})"));

}  // namespace
}  // namespace sluice::actuate
