// SPDX-License-Identifier: Apache-2.0
#include "client/command_line.hpp"

#include "client/run.hpp"

#include <gtest/gtest.h>

namespace sluice::client {
namespace {

tl::expected<CommandLine, Ending> parse(const std::string& words) {
  return parse_command_line(split(words), "0.1.0", "/default.sock");
}

CommandLine parsed(const std::string& words) {
  auto line = parse(words);
  EXPECT_TRUE(line) << words << ": " << line.error().text;
  return line ? *line : CommandLine{};
}

std::string refused(const std::string& words) {
  const auto line = parse(words);
  EXPECT_FALSE(line) << words;
  if (line) return "";
  EXPECT_EQ(line.error().status, 2) << words;
  return line.error().text;
}

TEST(CommandLineOf, EveryCommandIsItself) {
  const std::vector<std::pair<std::string, Command>> commands{
      {"status", Command::kStatus},
      {"services", Command::kServices},
      {"pools", Command::kPools},
      {"backends", Command::kBackends},
      {"workers", Command::kWorkers},
      {"flows --pool a --backend b --limit 5", Command::kFlows},
      {"drops", Command::kDrops},
      {"events", Command::kEvents},
      {"config show", Command::kConfigShow},
      {"config diff a.json", Command::kConfigDiff},
      {"config apply a.json", Command::kConfigApply},
      {"backend add p n 10.0.0.1", Command::kBackendAdd},
      {"backend remove p n", Command::kBackendRemove},
      {"backend drain p n", Command::kBackendDrain},
      {"backend undrain p n", Command::kBackendUndrain},
      {"backend maintenance p n", Command::kBackendMaintenance},
      {"health --pool p", Command::kHealth},
      {"scale show", Command::kScaleShow},
      {"scale set p 5 --for 30m", Command::kScaleSet},
      {"scale auto p", Command::kScaleAuto},
      {"scale pause p", Command::kScalePause},
      {"scale resume p", Command::kScaleResume},
      {"backend weight p n 5", Command::kBackendWeight},
      {"trace tcp 1.2.3.4:5 1.2.3.4:6", Command::kTrace},
      {"reload", Command::kReload}};
  for (const auto& [words, command] : commands) {
    EXPECT_EQ(parsed(words).command, command) << words;
    EXPECT_TRUE(parsed("--json " + words).json) << words;
    EXPECT_TRUE(parsed(words + " --json").json) << words;
    EXPECT_EQ(parsed("--socket /s " + words).socket, "/s") << words;
    EXPECT_EQ(parsed(words + " --socket=/s").socket, "/s") << words;
    EXPECT_EQ(parsed(words).socket, "/default.sock") << words;
    EXPECT_FALSE(parsed(words).json) << words;
  }
}

TEST(CommandLineOf, ArgumentsReachTheirPlace) {
  const auto add = parsed("backend add llama gpu-1 10.0.1.11 --weight 50 --class h100");
  EXPECT_EQ(add.pool, "llama");
  EXPECT_EQ(add.name, "gpu-1");
  EXPECT_EQ(add.address, "10.0.1.11");
  EXPECT_EQ(add.weight, 50U);
  EXPECT_EQ(add.backend_class, "h100");
  EXPECT_EQ(parsed("backend add llama gpu-1 10.0.1.11").weight, std::nullopt);
  const auto served =
      parsed("backend add llama gpu-1 10.0.1.11 --port 8080 --max-connections 9 --server-id 0a1f");
  EXPECT_EQ(served.port, 8080);
  EXPECT_EQ(served.max_connections, 9U);
  EXPECT_EQ(served.server_id, "0a1f");
  EXPECT_EQ(parsed("backend weight llama gpu-1 0").weight, 0U);
  EXPECT_EQ(parsed("backends --pool llama").pool, "llama");
  EXPECT_TRUE(parsed("drops --all").all);
  EXPECT_TRUE(parsed("events --follow").follow);
  EXPECT_EQ(parsed("events --since 18446744073709551615").since, 18446744073709551615U);
  EXPECT_EQ(parsed("config apply /etc/a.json").file, "/etc/a.json");
  EXPECT_EQ(parsed("trace udp:[::1]:2-[::3]:4").flow->text(), "udp [::1]:2 -> [::3]:4");
}

TEST(CommandLineOf, NamesMayBeWordsOfCommands) {
  const auto line = parsed("backend drain status backend");
  EXPECT_EQ(line.command, Command::kBackendDrain);
  EXPECT_EQ(line.pool, "status");
  EXPECT_EQ(line.name, "backend");
  EXPECT_EQ(parsed("backend drain drain add").pool, "drain");
}

TEST(CommandLineOf, MistypedWordsGetASuggestion) {
  EXPECT_EQ(refused("statsu"), "'statsu' is not a command of sluicectl, did you mean 'status'?");
  EXPECT_EQ(refused("--json backens --pool p"),
            "'backens' is not a command of sluicectl, did you mean 'backends'?");
  EXPECT_EQ(refused("backend drian llama gpu-1"),
            "'drian' is not a command of sluicectl backend, did you mean 'drain'?");
  EXPECT_EQ(refused("config aply f"),
            "'aply' is not a command of sluicectl config, did you mean 'apply'?");
  EXPECT_EQ(refused("xyzzy"), "'xyzzy' is not a command of sluicectl; see `sluicectl --help`");
  EXPECT_EQ(refused("status --sokcet=/s"),
            "status has no option '--sokcet=/s', did you mean '--socket'?");
  EXPECT_EQ(refused("backends --poll llama"),
            "backends has no option '--poll', did you mean '--pool'?");
  EXPECT_EQ(refused("drops --frobnicate"),
            "drops has no option '--frobnicate'; see `sluicectl drops --help`");
}

TEST(CommandLineOf, MissingAndSurplusWordsAreNamed) {
  EXPECT_NE(refused("").find("sluicectl needs a command: status, services"), std::string::npos);
  EXPECT_NE(refused("backend").find("backend needs a command: add, remove, drain"),
            std::string::npos);
  EXPECT_NE(refused("backend drain llama").find("NAME"), std::string::npos);
  EXPECT_NE(refused("backend weight llama gpu-1").find("N is required"), std::string::npos);
  EXPECT_NE(refused("config diff").find("FILE"), std::string::npos);
  EXPECT_EQ(refused("status extra"), "status does not take 'extra'; see `sluicectl status --help`");
  EXPECT_NE(refused("--socket").find("--socket"), std::string::npos);
  EXPECT_NE(refused("status \x1b[2J").find("'\\x1b[2J'"), std::string::npos);
}

TEST(CommandLineOf, NumbersAreChecked) {
  EXPECT_EQ(refused("backend weight p n 4294967296"),
            "weight: '4294967296' is not a whole number from 0 to 4294967295");
  EXPECT_EQ(refused("backend weight p n 1.5"),
            "weight: '1.5' is not a whole number from 0 to 4294967295");
  EXPECT_EQ(refused("backend weight p n -1"),
            "weight: '-1' is not a whole number from 0 to 4294967295");
  EXPECT_EQ(refused("events --since now"),
            "--since: 'now' is not a whole number from 0 to 18446744073709551615");
}

TEST(CommandLineOf, FlowsAreChecked) {
  EXPECT_EQ(refused("trace tcp 1.2.3.4:5 1.2.3.4"),
            "destination: '1.2.3.4' has no port; write ADDRESS:PORT");
  EXPECT_EQ(refused("trace tcp 1.2.3.4:5"),
            "flow: 2 words; a flow is PROTOCOL SOURCE:PORT DESTINATION:PORT");
}

TEST(CommandLineOf, EmptyNamesAreRefused) {
  const std::vector<std::string> words{"backend", "drain", "", "gpu-1"};
  const auto line = parse_command_line(words, "0.1.0", "/s");
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().text, "POOL: is empty");
}

TEST(CommandLineOf, AScaleHasACountAndATimeWithAUnit) {
  const auto line = parsed("scale set llama 5");
  EXPECT_EQ(line.pool, "llama");
  EXPECT_EQ(line.backends, 5U);
  EXPECT_EQ(line.lasts_s, std::nullopt);
  for (const auto& [text, seconds] : std::vector<std::pair<std::string, std::uint32_t>>{
           {"90", 90}, {"90s", 90}, {"30m", 1800}, {"2h", 7200}, {"366d", 366 * 86400}})
    EXPECT_EQ(parsed("scale set p 1 --for " + text).lasts_s, seconds) << text;
  for (const auto* text : {"0", "0s", "-1", "1w", "h", "367d", "1.5h", "99999999999h"})
    EXPECT_NE(refused(std::string("scale set p 1 --for ") + text).find("is no time"),
              std::string::npos)
        << text;
  EXPECT_NE(refused("scale set p many").find("'many' is not a whole number from 0 to 65535"),
            std::string::npos);
  EXPECT_NE(refused("scale set p").find("N"), std::string::npos);
}

TEST(CommandLineOf, HelpAndVersionEndWell) {
  const auto version = parse("--version");
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().status, 0);
  EXPECT_EQ(version.error().text, "sluicectl 0.1.0\n");
  for (const auto* words :
       {"--help", "-h", "backend --help", "backend drain --help", "status --help"}) {
    const auto help = parse(words);
    ASSERT_FALSE(help);
    EXPECT_EQ(help.error().status, 0);
    EXPECT_NE(help.error().text.find("sluicectl"), std::string::npos) << words;
  }
  EXPECT_NE(parse("backend drain --help").error().text.find("POOL"), std::string::npos);
}

}  // namespace
}  // namespace sluice::client
