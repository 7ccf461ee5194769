// SPDX-License-Identifier: Apache-2.0
#include "control/audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdio>
#include <fstream>

namespace sluice::control {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct AuditTest : testing::Test {
  http::Peer local() const {
    return {.text = "pid 47 uid 1000",
            .process = 47,
            .user = 1000,
            .group = 100,
            .address = {},
            .token = {}};
  }
  std::string last() const { return events.since(0, 10'000).events.back()->text; }
  EventLog events{4096, [] { return std::chrono::system_clock::time_point{}; }};
};

TEST_F(AuditTest, UserIsNamedByTheLocalFileAndUnknownOnesByNumber) {
  const std::string passwd = testing::TempDir() + "sluice-passwd";
  std::ofstream(passwd) << "root:x:0:0::/root:/bin/sh\nana:x:1000:100::/home/ana:/bin/sh\n";
  EXPECT_EQ(who(local(), passwd), "user ana (uid 1000, gid 100, pid 47)");
  std::remove(passwd.c_str());
  EXPECT_EQ(who(local(), passwd), "user ? (uid 1000, gid 100, pid 47)");
  http::Peer remote;
  remote.text = "token ci at 192.0.2.1:4242";
  EXPECT_EQ(who(remote), remote.text);
}

TEST_F(AuditTest, EventTellsWhoWhatBeforeAndAfter) {
  audit(events, who(local()), "weight of backend gpu-1",
        {{{"path", "pools/llama/backends/gpu-1/weight"}, {"before", "100"}, {"after", "50"}},
         {{"path", "pools/llama/backends/gpu-2"}, {"before", ""}, {"after", "{}"}}});
  EXPECT_THAT(last(), HasSubstr("uid 1000, gid 100, pid 47): weight of backend gpu-1: "
                                "pools/llama/backends/gpu-1/weight from 100 to 50, "
                                "pools/llama/backends/gpu-2 from nothing to {}"));
  audit(events, who(local()), "undrain backend gpu-1", Json::array());
  EXPECT_THAT(last(), EndsWith("nothing became different"));
}

TEST_F(AuditTest, WhoSendsASignalIsNamedWithItsProcess) {
  const std::string passwd = testing::TempDir() + "sluice-passwd-signal";
  std::ofstream(passwd) << "root:x:0:0::/root:/bin/sh\n";
  EXPECT_EQ(who_signalled(SIGHUP, {.process = 4711, .user = 0}, passwd),
            "signal SIGHUP of user root (uid 0, pid 4711)");
  std::remove(passwd.c_str());
  EXPECT_EQ(who_signalled(4711, {.process = 1, .user = 7}, passwd),
            "signal SIG? of user ? (uid 7, pid 1)");
}

TEST_F(AuditTest, ManyChangesAreCountedAndHostileTextStaysOneLine) {
  Json many = Json::array();
  for (int i = 0; i < 25; ++i)
    many.push_back(
        {{"path", "p" + std::to_string(i)}, {"before", "a\nerror forged"}, {"after", "b"}});
  audit(events, who(local()), "apply", many);
  EXPECT_THAT(last(), EndsWith("and 15 more"));
  EXPECT_EQ(last().find('\n'), std::string::npos);
}

TEST_F(AuditTest, EveryChangeIsAnEventHoweverManyThereAre) {
  for (int i = 0; i < 1000; ++i) audit(events, who(local()), "drain", Json::array());
  EXPECT_EQ(events.since(0, 10'000).events.size(), 1000U);
  EXPECT_EQ(events.suppressed(), 0U);
}

}  // namespace
}  // namespace sluice::control
