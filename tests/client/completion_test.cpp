// SPDX-License-Identifier: Apache-2.0
#include "client/completion.hpp"

#include "client/command_tree.hpp"
#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

namespace sluice::client {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using Words = std::vector<std::string>;

Words names(NameKind kind, const NameScope& scope) {
  if (!scope.file.empty()) return {kind == NameKind::kClass ? "class-of-" + scope.file : "planned"};
  switch (kind) {
    case NameKind::kPool:
      return {"llama", "mistral"};
    case NameKind::kBackend:
      return scope.pool == "llama" ? Words{"gpu-1", "gpu-2"} : Words{"other-1"};
    case NameKind::kPoolAndBackend:
      return {"llama/gpu-1", "llama/gpu-2"};
    case NameKind::kService:
      return {"chat",           "evil$(reboot)",
              "--socket=/evil", "a b",
              "line\nfeed",     "!files",
              "`id`",           "",
              "x;y;",           "*"};
    case NameKind::kVerdict:
      return {"forward", "denied"};
    case NameKind::kClass:
      return scope.pool == "llama" ? Words{"h100", "l4"} : Words{"h100", "l4", "tpu"};
  }
  return {};
}

Words after(const Words& words) { return candidates(words, names); }

TEST(Completion, CommandsComeFromTheTree) {
  EXPECT_THAT(after({""}), IsSupersetOf({"backend", "backends", "capture", "completion", "config",
                                         "doctor", "drops", "events", "flows", "health", "plan",
                                         "pools", "scale", "services", "status", "top", "trace"}));
  EXPECT_THAT(after({"back"}), ElementsAre("backend", "backends"));
  EXPECT_THAT(after({""}), Not(Contains("complete"))) << "no command for people";
  EXPECT_THAT(after({"config", ""}), ElementsAre("apply", "diff", "show"));
  EXPECT_THAT(after({"--json", "backend", "dr"}), ElementsAre("drain"));
}

TEST(Completion, OptionsAreThoseOfTheCommandAndOfAll) {
  EXPECT_THAT(after({"backends", "--p"}), ElementsAre("--pool"));
  EXPECT_THAT(after({"--js"}), ElementsAre("--json"));
  EXPECT_THAT(after({"config", "apply", "--d"}), ElementsAre("--dry-run"));
}

TEST(Completion, NamesStandWhereTheyAreMeant) {
  EXPECT_THAT(after({"backend", "drain", ""}), ElementsAre("llama", "mistral"));
  EXPECT_THAT(after({"backend", "drain", "llama", ""}), ElementsAre("gpu-1", "gpu-2"));
  EXPECT_THAT(after({"backend", "drain", "mistral", ""}), ElementsAre("other-1"));
  EXPECT_THAT(after({"backend", "add", "llama", ""}), IsEmpty()) << "a new name is nobody's yet";
  EXPECT_THAT(after({"backends", "--pool", "m"}), ElementsAre("mistral"));
  EXPECT_THAT(after({"backends", "--pool", "="}), ElementsAre("llama", "mistral"));
  EXPECT_THAT(after({"flows", "--pool", "llama", "--backend", ""}), ElementsAre("gpu-1", "gpu-2"));
  EXPECT_THAT(after({"capture", "--backend", ""}), ElementsAre("llama/gpu-1", "llama/gpu-2"));
  EXPECT_THAT(after({"capture", "--verdict", "d"}), ElementsAre("denied"));
  EXPECT_THAT(after({"scale", "set", "l"}), ElementsAre("llama"));
  EXPECT_THAT(after({"trace", ""}), ElementsAre("tcp", "udp"));
  EXPECT_THAT(after({"backend", "add", "llama", "gpu-9", "10.0.0.9", "--class", ""}),
              ElementsAre("h100", "l4"));
}

TEST(Completion, ValuesThatAreWordsOfOursStandBehindTheirOptions) {
  EXPECT_THAT(after({"top", "--view", "w"}), ElementsAre("workers"));
  EXPECT_THAT(after({"top", "--sort", "p"}), ElementsAre("packets/s", "pool"));
  EXPECT_THAT(after({"top", "--view", "workers", "--sort", "-b"}), ElementsAre("-busy"));
  EXPECT_THAT(after({"top", "--view", "nonsense", "--sort", ""}), IsEmpty());
  EXPECT_THAT(after({"scale", "history", "llama", "--step", ""}), ElementsAre("1", "60"));
  EXPECT_THAT(after({"plan", "--forecaster", "=", "l"}), ElementsAre("last_value", "linear"));
}

TEST(Completion, EveryWordOfferedForAnOptionIsTakenByIt) {
  for (const auto& words : {Words{"top", "--once", "--view"},
                            {"top", "--once", "--sort"},
                            {"top", "--once", "--view", "services", "--sort"}}) {
    auto asked = words;
    asked.emplace_back("");
    const auto offered = after(asked);
    EXPECT_GE(offered.size(), 2U) << words.back();
    for (const auto& word : offered) {
      asked.back() = word;
      ScriptedDaemon daemon;
      play_recorded(daemon);
      EXPECT_EQ(sluicectl(environment_for(daemon.socket()), asked).status, 0)
          << words.back() << " " << word;
    }
  }
}

TEST(Completion, APlanHasTheNamesOfItsConfigurationAndNotTheDaemons) {
  EXPECT_THAT(after({"plan", "--config", "x.json", "--pool", ""}), ElementsAre("planned"));
  EXPECT_THAT(after({"plan", "--config", "=", "x.json", "--without-class", ""}),
              ElementsAre("class-of-x.json"));
  EXPECT_THAT(after({"plan", "--config=x.json", "--cold-start", ""}),
              ElementsAre("class-of-x.json="));
  EXPECT_THAT(after({"plan", "--config", "x.json", "--capacity", "q"}), IsEmpty());
}

// Numbers, addresses and times are the user's own; whatever else has a value is helped with.
TEST(Completion, NoOptionIsForgotten) {
  const std::set<std::string> free{"--weight", "--port",        "--max-connections", "--server-id",
                                   "--limit",  "--since",       "--sample",          "--snap",
                                   "--count",  "--seconds",     "--filter",          "--for",
                                   "--last",   "--load-factor", "--budget",          "--slo-wait",
                                   "--min",    "--max",         "--drain",           "--target",
                                   "--from",   "--predict"};
  Typed typed;
  CLI::App root("", "sluicectl");
  add_commands(root, typed);
  std::size_t looked_at = 0;
  const std::function<void(const CLI::App&, const Words&)> look = [&](const CLI::App& app,
                                                                      const Words& path) {
    for (const auto* option : app.get_options(nullptr)) {
      if (option->get_positional() || option->get_items_expected_max() == 0) continue;
      const auto name = "--" + option->get_lnames().front();
      auto words = path;
      if (path == Words{"plan"}) words.insert(words.end(), {"--config", "x.json"});
      words.insert(words.end(), {name, ""});
      EXPECT_EQ(after(words).empty(), free.contains(name)) << testing::PrintToString(words);
      ++looked_at;
    }
    for (const auto* sub : app.get_subcommands(nullptr)) {
      auto deeper = path;
      deeper.push_back(sub->get_name());
      look(*sub, deeper);
    }
  };
  look(root, {});
  EXPECT_GE(looked_at, 30U);
}

TEST(Completion, FilesAreLeftToTheShell) {
  for (const auto& words : {Words{"config", "diff", "x"},
                            {"doctor", "--config", ""},
                            {"--socket", ""},
                            {"capture", "--out", "a"}})
    EXPECT_THAT(after(words), ElementsAre("!files"));
}

TEST(Completion, ANameThatAShellCouldRunOrThatLooksLikeAnOptionIsLeftOut) {
  EXPECT_THAT(after({"capture", "--service", ""}), ElementsAre("chat"));
}

TEST(Completion, AnyWordsGiveAnAnswer) {
  for (const auto& words : {Words{},
                            {"no", "such", "thing", ""},
                            {"--", ""},
                            {"-", ""},
                            {"=", "="},
                            {"backend", "x", ""},
                            {"--pool"},
                            {"trace", "a", "b", "c", "d", "e", ""},
                            {"\xff\xfe", ""}})
    (void)after(words);
}

TEST(Completion, WithoutADaemonThereAreCommandsAndNoNames) {
  const auto outcome = sluicectl(environment_for("/nonexistent/socket"),
                                 Words{"complete", "--", "backend", "drain", ""});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
}

// In bash itself: the function that the program prints, and the words that it leaves.
std::string in_bash(const ScriptedDaemon& daemon, const std::string& typed) {
  const auto folder = daemon.folder();
  std::ofstream(folder + "/completion") << bash_completion();
  std::ofstream(folder + "/ask") << "PATH=" << folder
                                 << ":$PATH\nexport SLUICE_SOCKET=" << daemon.socket() << "\n"
                                 << "source " << folder << "/completion\n"
                                 << "COMP_WORDS=(" << typed
                                 << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                                 << "_sluicectl\necho \"${COMPREPLY[*]}\"\n";
  std::ofstream(folder + "/sluicectl") << "#!/bin/sh\nexec " SLUICECTL " \"$@\"\n";
  std::system(("chmod +x " + folder + "/sluicectl").c_str());
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      ::popen(("bash " + folder + "/ask 2>&1").c_str(), "r"), ::pclose);
  std::string out;
  for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get()))
    out += static_cast<char>(c);
  return out;
}

TEST(BashCompletion, ATabInBashFindsCommandsOptionsAndLiveNames) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  EXPECT_EQ(in_bash(daemon, "sluicectl sta"), "status\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl events --fo"), "--follow\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl backend drain ''"), "llama\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl backend drain llama gpu-"), "gpu-1 gpu-2 gpu-3 gpu-4\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl backends --pool ''"), "llama\n");
}

TEST(BashCompletion, ValuesOfOptionsAreFoundBehindTheEqualsSignToo) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  EXPECT_EQ(in_bash(daemon, "sluicectl top --view = s"), "services\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl plan --forecaster a"), "arima\n");
  std::ofstream(daemon.folder() + "/plan.json")
      << R"({"ports": [{"name": "front", "device": "net_null0", "mac": "02:00:00:00:00:01"}],
             "pools": [{"name": "night", "forwarding": "l2dsr", "backends": [],
                        "classes": [{"name": "small", "capacity": 1, "cold_start_s": 30}]}]})";
  const auto plan = "sluicectl plan --config " + daemon.folder() + "/plan.json ";
  EXPECT_EQ(in_bash(daemon, plan + "--pool ''"), "night\n");
  EXPECT_EQ(in_bash(daemon, plan + "--without-class ''"), "small\n");
  EXPECT_EQ(in_bash(daemon, plan + "--capacity s"), "small=\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl plan --config /dev/null --pool ''"), "\n");
}

// What a daemon that was taken over would send to the root shell of whoever presses Tab.
TEST(BashCompletion, HostileNamesRunNothingAndBreakNothing) {
  ScriptedDaemon daemon;
  const auto mark = daemon.folder() + "/mark";
  nlohmann::json pools = nlohmann::json::array();
  for (const auto& name :
       {"$(touch " + mark + ")", "`touch " + mark + "`", "; touch " + mark, "a\ntouch " + mark,
        "'; touch " + mark + " #", "\"; touch " + mark, std::string("!files"), std::string("*"),
        std::string("../*"), std::string("\x1b[2Jx"), std::string("--socket=/evil"),
        std::string(100'000, 'x') + "$", std::string("good")})
    pools.push_back({{"name", name}});
  daemon.script("GET /api/v1/pools", Reply{200, nlohmann::json{{"pools", pools}}.dump()});
  EXPECT_EQ(in_bash(daemon, "sluicectl backend drain ''"), "good\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl backends --pool '$(touch " + mark + ")'"), "\n");
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST(BashCompletion, FilesComeFromTheShell) {
  ScriptedDaemon daemon;
  std::ofstream(daemon.folder() + "/candidate.json") << "{}";
  EXPECT_EQ(in_bash(daemon, "sluicectl config diff " + daemon.folder() + "/cand"),
            daemon.folder() + "/candidate.json\n");
}

TEST(BashCompletion, ADaemonThatDoesNotAnswerCostsNoWords) {
  ScriptedDaemon daemon;
  daemon.stop(true);
  EXPECT_EQ(in_bash(daemon, "sluicectl backend drain ''"), "\n");
  EXPECT_EQ(in_bash(daemon, "sluicectl backend dr"), "drain\n");
}

}  // namespace
}  // namespace sluice::client
