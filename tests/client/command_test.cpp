// SPDX-License-Identifier: Apache-2.0
// Whole commands against a scripted socket; what healthy answers look like is in page_test.cpp.
#include "client/command.hpp"

#include "client/run.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
#include <csignal>
#include <fstream>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class CommandTest : public testing::Test {
 protected:
  Outcome run(const std::string& words) { return sluicectl(daemon_, words); }
  std::string file(const std::string& content) {
    const auto path = daemon_.folder() + "/new.json";
    std::ofstream(path) << content;
    return path;
  }
  ScriptedDaemon daemon_;
};

// Each command and the request it makes.
const std::vector<std::pair<std::string, std::string>> kRequests{
    {"status", "GET /api/v1/status"},
    {"services", "GET /api/v1/services"},
    {"pools", "GET /api/v1/pools"},
    {"backends", "GET /api/v1/backends"},
    {"backends --pool llama", "GET /api/v1/backends?pool=llama"},
    {"workers", "GET /api/v1/workers"},
    {"flows", "GET /api/v1/flows?limit=100&pool=&backend="},
    {"flows --pool p/1 --backend b --limit 7", "GET /api/v1/flows?limit=7&pool=p%2F1&backend=b"},
    {"drops", "GET /api/v1/drops"},
    {"events --since 4", "GET /api/v1/events?since=4"},
    {"config show", "GET /api/v1/config"},
    {"trace tcp 198.51.100.7:40000 203.0.113.10:443",
     "GET "
     "/api/v1/"
     "trace?protocol=tcp&source=198.51.100.7&source_port=40000&destination=203.0.113.10&"
     "destination_port=443"},
    {"reload", "POST /api/v1/reload"},
    {"backend add llama gpu-5 10.0.1.15", "POST /api/v1/backends/llama"},
    {"backend remove llama gpu-2", "POST /api/v1/backends/llama/gpu-2/remove"},
    {"backend drain llama gpu-2", "POST /api/v1/backends/llama/gpu-2/drain"},
    {"backend maintenance llama gpu-2", "POST /api/v1/backends/llama/gpu-2/maintenance"},
    {"health", "GET /api/v1/health"},
    {"scale show", "GET /api/v1/scale"},
    {"scale show llama", "GET /api/v1/scale?pool=llama"},
    {"scale set llama 6 --for 2h", "POST /api/v1/scale/llama"},
    {"scale auto llama", "POST /api/v1/scale/llama"},
    {"scale pause llama", "POST /api/v1/scale/llama"},
    {"scale resume llama", "POST /api/v1/scale/llama"},
    {"health --pool llama", "GET /api/v1/health?pool=llama"},
    {"backend undrain llama gpu-2", "POST /api/v1/backends/llama/gpu-2/undrain"},
    {"backend weight llama gpu-2 50", "POST /api/v1/backends/llama/gpu-2/weight"}};

TEST_F(CommandTest, EachMakesItsRequestAndIsDone) {
  play_recorded(daemon_);
  for (const auto& [words, request] : kRequests) {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.status, 0) << words << ": " << outcome.err;
    EXPECT_EQ(outcome.err, "") << words;
    EXPECT_EQ(daemon_.received().back().what, request) << words;
  }
}

TEST_F(CommandTest, JsonIsTheAnswerUnchangedForEvery) {
  const std::string answer = R"({"z":1.50,"a":[18446744073709551616,"\u001b"],"more":{}})";
  for (const auto& [words, request] : kRequests) daemon_.script(request, answer);
  daemon_.script("POST /api/v1/config/diff", answer);
  daemon_.script("POST /api/v1/config/apply", answer);
  auto all = kRequests;
  all.emplace_back("config diff " + file("{}"), "POST /api/v1/config/diff");
  all.emplace_back("config apply " + file("{}"), "POST /api/v1/config/apply");
  for (const auto& [words, request] : all) {
    const auto outcome = run(words + " --json");
    EXPECT_EQ(outcome.status, 0) << words << ": " << outcome.err;
    EXPECT_EQ(outcome.out, R"({
  "z": 1.50,
  "a": [
    18446744073709551616,
    "\u001b"
  ],
  "more": {}
}
)") << words;
    EXPECT_EQ(daemon_.received().back().what, request) << words;
  }
}

TEST_F(CommandTest, EventsAreReadPartByPartToTheEnd) {
  const auto part = [](int id, int next) {
    return R"({"events": [{"id": )" + std::to_string(id) + R"(}], "next": )" +
           std::to_string(next) + "}";
  };
  daemon_.script("GET /api/v1/events?since=0", part(1, 2));
  daemon_.script("GET /api/v1/events?since=2", part(2, 3));
  daemon_.script("GET /api/v1/events?since=3", R"({"events": [], "next": 3})");
  const auto outcome = run("events");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("     1  "));
  EXPECT_THAT(outcome.out, HasSubstr("\n     2  "));
  EXPECT_EQ(run("events --json").status, 0);
  EXPECT_EQ(daemon_.received().size(), 4U);
}

TEST_F(CommandTest, EventsThatDoNotGoOnAreReadOnce) {
  daemon_.script("GET /api/v1/events?since=5", R"({"events": [{"id": 1}], "next": 2})");
  EXPECT_EQ(run("events --since 5").status, 0);
  EXPECT_EQ(daemon_.received().size(), 1U);
}

TEST_F(CommandTest, NamesAreEscapedInPaths) {
  run("backend drain a/b .. --json");
  EXPECT_EQ(daemon_.received().back().what, "POST /api/v1/backends/a%2Fb/../drain");
  run("backends --pool a&b=c");
  EXPECT_EQ(daemon_.received().back().what, "GET /api/v1/backends?pool=a%26b%3Dc");
  run("trace udp [2001:db8::7]:1 [2001:db8::10]:2");
  EXPECT_EQ(
      daemon_.received().back().what,
      "GET "
      "/api/v1/"
      "trace?protocol=udp&source=2001%3Adb8%3A%3A7&source_port=1&destination=2001%3Adb8%3A%3A10&"
      "destination_port=2");
}

TEST_F(CommandTest, AddSendsOnlyWhatWasGiven) {
  daemon_.script("POST /api/v1/backends/llama", R"({"generation": 8})");
  EXPECT_EQ(run("backend add llama gpu-5 10.0.1.15").status, 0);
  EXPECT_EQ(json::parse(daemon_.received().back().body),
            (json{{"name", "gpu-5"}, {"address", "10.0.1.15"}}));
  EXPECT_EQ(run("backend add llama gpu-5 10.0.1.15 --weight 0 --class h100").status, 0);
  EXPECT_EQ(json::parse(daemon_.received().back().body),
            (json{{"name", "gpu-5"}, {"address", "10.0.1.15"}, {"weight", 0}, {"class", "h100"}}));
  EXPECT_EQ(run("backend add llama gpu-5 10.0.1.15 --port 8080 --max-connections 512 "
                "--server-id 0a1f")
                .status,
            0);
  EXPECT_EQ(json::parse(daemon_.received().back().body), (json{{"name", "gpu-5"},
                                                               {"address", "10.0.1.15"},
                                                               {"port", 8080},
                                                               {"max_connections", 512},
                                                               {"server_id", "0a1f"}}));
}

TEST_F(CommandTest, AddSendsJsonAlsoForNamesThatAreNotText) {
  daemon_.script("POST /api/v1/backends/llama", R"({"generation": 8})");
  EXPECT_EQ(run("backend add llama \xff\" 10.0.1.15").status, 0);
  EXPECT_TRUE(json::accept(daemon_.received().back().body));
}

TEST_F(CommandTest, WeightSendsTheNumber) {
  daemon_.script("POST /api/v1/backends/llama/gpu-2/weight", R"({"generation": 8})");
  EXPECT_EQ(run("backend weight llama gpu-2 4294967295").status, 0);
  EXPECT_EQ(daemon_.received().back().body, R"({"weight":4294967295})");
}

TEST_F(CommandTest, ApplyComparesThenAppliesTheFileAsItIs) {
  play_recorded(daemon_);
  const std::string content = "{ // the operator's comment\n  \"node\": \"edge-1\"\n}\n";
  const auto outcome = run("config apply " + file(content));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith("~ pools/llama/backends/gpu-2/weight: 100 -> 50\n"));
  EXPECT_THAT(
      outcome.out,
      EndsWith("generation 9: 13107 of 65537 slots moved (20.0 %), least possible 13107\n"));
  const auto received = daemon_.received();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0].what, "POST /api/v1/config/diff");
  EXPECT_EQ(received[0].body, content);
  EXPECT_EQ(received[1].what, "POST /api/v1/config/apply");
  EXPECT_EQ(received[1].body, content);
}

TEST_F(CommandTest, FaultyConfigurationIsNotApplied) {
  daemon_.script(
      "POST /api/v1/config/diff",
      Reply{400, R"({"error": {"code": "invalid", "where": "configuration", "message": "1 fault"},
                      "faults": ["/pools/0/table_size: 65536 is not a prime number; the nearest are 65521 and 65537"]})"});
  const auto outcome = run("config apply " + file("{}"));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(
      outcome.err,
      "sluicectl: configuration: 1 fault\n"
      "  /pools/0/table_size: 65536 is not a prime number; the nearest are 65521 and 65537\n");
  EXPECT_EQ(daemon_.received().size(), 1U);
}

TEST_F(CommandTest, FileThatCannotBeReadIsNotSent) {
  const auto missing = run("config diff " + daemon_.folder() + "/none.json");
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("/none.json: cannot open it: No such file or directory\n"));
  const auto folder = run("config apply " + daemon_.folder());
  EXPECT_EQ(folder.status, 2);
  EXPECT_THAT(folder.err, EndsWith(": is a directory, not a file\n"));
  const auto path = file("");
  ASSERT_EQ(::truncate(path.c_str(), (16 << 20) + 1), 0);
  const auto large = run("config diff " + path);
  EXPECT_EQ(large.status, 2);
  EXPECT_THAT(large.err, EndsWith(": is longer than 16777216 bytes\n"));
  EXPECT_TRUE(daemon_.received().empty());
}

TEST_F(CommandTest, RefusalIsTheDaemonsTextAndStatus) {
  const auto refused = [&](int status, const std::string& code) {
    ScriptedDaemon daemon;
    daemon.script("GET /api/v1/status",
                  Reply{status, R"({"error": {"code": ")" + code +
                                    R"(", "where": "here", "message": "a \u001b[2J reason"}})"});
    const auto outcome = sluicectl(daemon, "status");
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "sluicectl: here: a \\x1b[2J reason\n");
    return outcome.status;
  };
  EXPECT_EQ(refused(400, "invalid"), 2);
  EXPECT_EQ(refused(404, "not_found"), 1);
  EXPECT_EQ(refused(409, "conflict"), 1);
  EXPECT_EQ(refused(507, "exhausted"), 1);
  EXPECT_EQ(refused(500, "io"), 1);
  EXPECT_EQ(refused(501, "unsupported"), 1);
}

TEST_F(CommandTest, RefusalAsJsonIsOnBothStreams) {
  daemon_.script("POST /api/v1/reload",
                 Reply{409, R"({"error":{"code":"conflict","where":"","message":"busy"}})"});
  const auto outcome = run("reload --json");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "sluicectl: busy\n");
  EXPECT_EQ(json::parse(outcome.out)["error"]["code"], "conflict");
}

TEST_F(CommandTest, BrokenAnswersFailWithoutOutput) {
  for (const std::string body : {"", "<html>", "{\"node\"", "[1", "\xff"}) {
    ScriptedDaemon daemon;
    daemon.script("GET /api/v1/status", body);
    for (const auto* words : {"status", "status --json"}) {
      const auto outcome = sluicectl(daemon, words);
      EXPECT_EQ(outcome.status, 1) << body;
      EXPECT_EQ(outcome.out, "") << body;
      EXPECT_THAT(outcome.err, StartsWith("sluicectl: the daemon's answer is not JSON")) << body;
    }
  }
}

TEST_F(CommandTest, AnswersOfAnotherShapeFail) {
  for (const auto& [words, request] : kRequests) {
    if (words == "config show") continue;  // any JSON is a configuration to look at
    for (const std::string body :
         {"[]", "null", "{}", R"({"events": 1, "backends": {}, "changes": null})"}) {
      ScriptedDaemon daemon;
      daemon.script(request, body);
      const auto outcome = sluicectl(daemon, words);
      EXPECT_EQ(outcome.status, 1) << words << " " << body;
      EXPECT_THAT(outcome.err, StartsWith("sluicectl: the daemon's answer"))
          << words << " " << body;
    }
  }
}

TEST_F(CommandTest, DaemonThatIsNotThereIsFailureNotUsage) {
  daemon_.stop(/*leave_socket=*/false);
  const auto outcome = run("status --json");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              StartsWith("sluicectl: no daemon at " + daemon_.socket() + " (no such socket)"));
}

TEST_F(CommandTest, SilentDaemonIsWaitedForToTheLimit) {
  daemon_.script("GET /api/v1/status", Reply{.silent = true});
  auto environment = environment_for(daemon_.socket());
  environment.limit = std::chrono::milliseconds(50);
  const auto outcome = sluicectl(environment, "status");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("within 0.05 s"));
}

TEST_F(CommandTest, SocketOptionWinsOverTheEnvironment) {
  play_recorded(daemon_);
  const auto environment = environment_for("/nowhere/admin.sock");
  EXPECT_EQ(sluicectl(environment, "pools").status, 1);
  EXPECT_EQ(sluicectl(environment, "pools --socket " + daemon_.socket()).status, 0);
  EXPECT_EQ(sluicectl(environment, "--socket " + std::string(200, 'a') + " pools").status, 2);
}

TEST_F(CommandTest, UsageErrorsAreStatusTwoOnTheErrorStream) {
  const auto outcome = run("statsu");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "sluicectl: 'statsu' is not a command of sluicectl, did you mean 'status'?\n");
  EXPECT_EQ(run("").status, 2);
  EXPECT_EQ(run("--version").out, "sluicectl 0.1.0\n");
  EXPECT_EQ(run("--version").status, 0);
}

TEST_F(CommandTest, ReaderThatLeftIsNoFailure) {
  play_recorded(daemon_);
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ::close(ends[0]);
  const UniqueFd out(ends[1]);
  auto environment = environment_for(daemon_.socket());
  environment.out = out.get();
  EXPECT_EQ(client::run(split("status"), environment), 0);
}

TEST_F(CommandTest, FullDiskIsAFailure) {
  play_recorded(daemon_);
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read(ends[0]);
  const UniqueFd write(ends[1]);
  auto environment = environment_for(daemon_.socket());
  environment.out = full.get();
  environment.err = write.get();
  EXPECT_EQ(client::run(split("status"), environment), 1);
  std::array<char, 200> text{};
  ASSERT_GT(::read(read.get(), text.data(), text.size() - 1), 0);
  EXPECT_STREQ(text.data(), "sluicectl: cannot write the output: No space left on device\n");
}

}  // namespace
}  // namespace sluice::client
