// SPDX-License-Identifier: Apache-2.0
#include "client/doctor.hpp"

#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr auto kConfiguration = R"({
  "dpdk": {"lcores": "0-1", "huge_pages": false},
  "ports": [{"name": "front", "device": "net_af_packet0,iface=lb0"}],
  "services": [{"name": "chat", "address": "203.0.113.10", "port": 443, "pool": "llama"}],
  "pools": [{"name": "llama", "forwarding": "l2dsr", "backends": []}]
})";

class DoctorTest : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& content) {
    const auto file = std::filesystem::path(daemon_.folder()) / "root" / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  Outcome run(const std::string& words) {
    auto environment = environment_for(daemon_.socket());
    environment.root = daemon_.folder() + "/root";
    environment.link = [](const std::string&) { return doctor::Link{true, 1500, "veth"}; };
    std::ofstream(daemon_.folder() + "/sluice.json") << kConfiguration;
    return sluicectl(environment,
                     words + " --no-probes --config " + daemon_.folder() + "/sluice.json");
  }
  // A machine with nothing wrong but what a test says.
  void healthy() {
    put("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
    put("proc/mounts", "bpf /sys/fs/bpf bpf rw 0 0\n");
    put("sys/kernel/btf/vmlinux", "x");
    put("proc/net/protocols", "XDP  1088\n");
    put("proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
    put("proc/self/limits", "Max locked memory         unlimited   unlimited   bytes\n");
    put("sys/devices/system/cpu/online", "0-1\n");
    put("sys/devices/system/cpu/isolated", "1\n");
    put("sys/devices/system/cpu/nohz_full", "1\n");
  }
  ScriptedDaemon daemon_;
};

TEST_F(DoctorTest, WithoutADaemonItLooksAtTheMachineAndSaysThatNoneRuns) {
  healthy();
  daemon_.stop(false);
  const auto outcome = run("doctor");
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("WARN  daemon"));
  EXPECT_THAT(outcome.out, HasSubstr("mend: systemctl start sluiced"));
  EXPECT_THAT(outcome.out, HasSubstr("OK    kernel"));
  EXPECT_THAT(outcome.out, HasSubstr("2 warnings, 0 faults\n")) << "no huge pages, too";
}

TEST_F(DoctorTest, AFaultIsNamedWithItsRemedyAndFailsIt) {
  healthy();
  put("proc/sys/kernel/osrelease", "5.4.0\n");
  const auto outcome = run("doctor");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  kernel"));
  EXPECT_THAT(outcome.out, HasSubstr("mend: apt install"));
  EXPECT_THAT(outcome.err, HasSubstr("1 fault found"));
}

TEST_F(DoctorTest, JsonAndCsvHaveEveryFinding) {
  healthy();
  const auto answer = json::parse(run("doctor --json").out);
  EXPECT_TRUE(answer["ok"].get<bool>());
  EXPECT_GT(answer["findings"].size(), 8U);
  for (const auto& finding : answer["findings"]) {
    EXPECT_EQ(finding.size(), 4U);
    EXPECT_EQ(finding["remedy"].get<std::string>().empty(), finding["level"] == "ok") << finding;
  }
  EXPECT_THAT(run("doctor --csv").out, AllOf(HasSubstr("check,level,what,remedy\r\n"),
                                             HasSubstr("kernel,ok,6.1.0-28-amd64,\r\n")));
}

TEST_F(DoctorTest, AConfigurationWithFaultsIsAFault) {
  healthy();
  const auto file = daemon_.folder() + "/bad.json";
  std::ofstream(file) << R"({"ports": 7})";
  auto environment = environment_for(daemon_.socket());
  environment.root = daemon_.folder() + "/root";
  const auto outcome = sluicectl(environment, "doctor --no-probes --config " + file);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  configuration"));
  EXPECT_THAT(outcome.out, HasSubstr("mend: sluiced check --config " + file));
}

TEST_F(DoctorTest, ADaemonThatAnswersNonsenseIsNoCrash) {
  healthy();
  for (const auto* body : {"", "[]", "nonsense", R"({"pid": "x", "configuration": 7})"}) {
    ScriptedDaemon odd;
    odd.script("GET /api/v1/status", body);
    auto environment = environment_for(odd.socket());
    environment.root = daemon_.folder() + "/root";
    EXPECT_THAT(sluicectl(environment, "doctor --no-probes").out, HasSubstr("daemon")) << body;
  }
}

std::string judged(const json& status, const json& health) {
  doctor::Findings findings;
  judge_daemon(View(status), View(health), findings);
  return show_findings(findings.list(), false);
}

json sound() {
  return json::parse(R"({"ready": true, "version": "1", "pid": 1, "state": {"writable": true},
    "configuration": {"file": "/f", "last_reload": {"ok": true}}, "books": {"balanced": true}})");
}

TEST(JudgeDaemon, ASoundOneIsOk) {
  EXPECT_EQ(judged(sound(), nullptr),
            "OK    daemon  version 1, ready\n1 ok, 0 warnings, 0 faults\n");
}

TEST(JudgeDaemon, EachTroubleIsNamedWithItsRemedy) {
  auto status = sound();
  status["ready"] = false;
  status["not_ready_because"] = "no backend";
  EXPECT_THAT(judged(status, nullptr), HasSubstr("not ready: no backend"));
  status = sound();
  status["configuration"]["last_reload"] = {{"ok", false}, {"faults", {"/a: bad"}}};
  EXPECT_THAT(judged(status, nullptr),
              AllOf(HasSubstr("/a: bad"), HasSubstr("mend: sluiced check --config /f")));
  status = sound();
  status["state"] = {{"writable", false}, {"problem", "disk full"}, {"directory", "/d"}};
  EXPECT_THAT(judged(status, nullptr), HasSubstr("disk full"));
}

TEST(JudgeDaemon, WhatTheOperatorTookOutIsNamedWithTheWayBack) {
  const auto health = json::parse(R"({"pools": [{"name": "p", "backends": [
    {"name": "a", "state": "draining", "operator": "drain", "remedy": ""},
    {"name": "b", "state": "down", "operator": "none", "remedy": "start it"}]}]})");
  EXPECT_THAT(judged(sound(), health), AllOf(HasSubstr("mend: sluicectl backend undrain p a"),
                                             HasSubstr("health p/b"), HasSubstr("mend: start it")));
}

}  // namespace
}  // namespace sluice::client
