// SPDX-License-Identifier: Apache-2.0
// `sluicectl capture` against a scripted daemon: what it asks, what it writes, how it ends.
#include "client/capture.hpp"

#include "base/file.hpp"
#include "client/run.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <thread>

namespace sluice::client {
namespace {

constexpr const char* kStart = "POST /api/v1/capture";
constexpr const char* kStop = "POST /api/v1/capture/stop?id=3";

std::string packets(int first, int count, bool running, int lost = 0) {
  std::string list;
  for (int i = first; i < first + count; ++i)
    list += std::string(i == first ? "" : ", ") +
            R"({"at_ns": 1700000000000000001, "worker": 0, "port": "front", "verdict": "forward",
                "service": "chat", "backend": "llama/gpu-1", "before": {"length": 70, "bytes": "6265666f7265"},
                "after": {"length": 90, "bytes": "6166746572"}})";
  return R"({"id": 3, "running": )" + std::string(running ? "true" : "false") + R"(, "lost": )" +
         std::to_string(lost) + R"(, "packets": [)" + list + R"(], "next": )" +
         std::to_string(first + count) + "}";
}

std::string ask(int from) { return "GET /api/v1/capture?id=3&from=" + std::to_string(from); }

std::size_t times(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
  return n;
}

class Capture : public testing::Test {
 protected:
  Capture() { daemon.script(kStart, R"({"id": 3, "workers": 1, "slots": 1024})"); }
  [[nodiscard]] std::string file() const { return daemon.folder() + "/x.pcapng"; }
  [[nodiscard]] std::string written() const { return read_file(file(), 1U << 20U).value(); }
  bool asked(const std::string& what) {
    for (const auto& request : daemon.received())
      if (request.what == what) return true;
    return false;
  }
  ScriptedDaemon daemon;
};

TEST_F(Capture, WritesBothSidesOfEachPacketUntilItEnds) {
  daemon.script(ask(0), packets(0, 2, true));
  daemon.script(ask(2), packets(2, 1, false, 4));
  daemon.script(ask(3), packets(3, 0, false, 4));
  const auto outcome =
      sluicectl(daemon,
                "capture --service chat --backend llama/gpu-1 --verdict forward --verdict denied "
                "--sample 10 --snap 64 --count 3 --out " +
                    file());
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out,
            "3 packets, as 6 records before and after the rewrite, in " + file() + "; 4 lost\n");
  EXPECT_EQ(daemon.received()[0].body,
            R"({"backend":"llama/gpu-1","count":3,"sample":10,"service":"chat","snap":64,)"
            R"("verdicts":["forward","denied"]})");
  EXPECT_EQ(times(written(), "forward service=chat backend=llama/gpu-1 port=front worker=0"), 6U);
  EXPECT_EQ(times(written(), "before"), 4U) << "an interface, and three packets' bytes";
  EXPECT_FALSE(asked(kStop)) << "it had ended";
}

TEST_F(Capture, CtrlCStopsItAndKeepsWhatCame) {
  daemon.script(ask(0), packets(0, 1, true));
  daemon.script(ask(1), packets(1, 0, true));
  daemon.script(kStop, R"({"id": 3, "running": false, "lost": 0})");
  const UniqueFd interrupt(::eventfd(0, EFD_CLOEXEC));
  auto environment = environment_for(daemon.socket());
  environment.interrupt = [&] { return interrupt.get(); };
  bool waited = false;
  std::thread user([&] {
    waited = daemon.wait_for(3);
    ::eventfd_write(interrupt.get(), 1);
  });
  const auto outcome = sluicectl(environment, "capture --json --out " + file());
  user.join();
  EXPECT_TRUE(waited);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, R"({"file":")" + file() + R"(","lost":0,"packets":1,"records":2})" + "\n");
  EXPECT_TRUE(asked(kStop));
}

TEST_F(Capture, SecondsOfNoneEndItAtOnce) {
  daemon.script(ask(0), packets(0, 0, false));
  daemon.script(kStop, R"({"id": 3, "running": false, "lost": 0})");
  const auto outcome = sluicectl(daemon, "capture --seconds 0 --out " + file());
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(times(outcome.out, "0 packets"), 1U);
  EXPECT_TRUE(asked(kStop));
}

TEST_F(Capture, AFileThatCannotBeMadeStopsIt) {
  daemon.script(kStop, R"({"id": 3, "running": false, "lost": 0})");
  const auto outcome = sluicectl(daemon, "capture --out /nonexistent/x");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("/nonexistent/x: cannot create it"), std::string::npos);
  EXPECT_TRUE(asked(kStop));
}

TEST_F(Capture, SenselessAnswersAreErrorsAndStopIt) {
  daemon.script(kStop, R"({"id": 3, "running": false, "lost": 0})");
  for (
      const std::string answer :
      {"[]", "{}", R"({"next": 1, "lost": 0, "running": true, "packets": [5]})",
       R"({"next": 1, "lost": 0, "running": true, "packets": [{"at_ns": 1, "before": {"length": 1, "bytes": "0"}}]})",
       R"({"next": 1, "lost": 0, "running": true, "packets": [{"at_ns": 1, "before": {"length": 1, "bytes": "zz"}}]})",
       R"({"next": 1, "lost": 0, "running": true, "packets": [{"at_ns": 1, "before": {"length": 1, "bytes": "0000"}}]})",
       R"({"next": 0, "lost": 0, "running": true, "packets": [{"at_ns": 1}]})"}) {
    ScriptedDaemon one;
    one.script(kStart, R"({"id": 3, "workers": 1, "slots": 1024})");
    one.script(kStop, R"({"id": 3, "running": false, "lost": 0})");
    one.script(ask(0), answer);
    const auto outcome = sluicectl(one, "capture --out " + file());
    EXPECT_EQ(outcome.status, 1) << answer;
    EXPECT_NE(outcome.err.find("makes no sense"), std::string::npos) << answer << outcome.err;
    EXPECT_EQ(one.received().back().what, kStop) << answer;
  }
}

TEST_F(Capture, ARefusalIsTheError) {
  ScriptedDaemon refusing;
  refusing.script(kStart, Reply{404, R"({"error": {"code": "not_found", "where": "service chatt",
      "message": "does not exist"}})"});
  const auto outcome = sluicectl(refusing, "capture --service chatt --out " + file());
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "sluicectl: service chatt: does not exist\n");
}

}  // namespace
}  // namespace sluice::client
