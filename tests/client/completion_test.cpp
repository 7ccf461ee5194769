// SPDX-License-Identifier: Apache-2.0
#include "client/completion.hpp"

#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace sluice::client {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using Words = std::vector<std::string>;

Words names(NameKind kind, const std::string& pool) {
  switch (kind) {
    case NameKind::kPool:
      return {"llama", "mistral"};
    case NameKind::kBackend:
      return pool == "llama" ? Words{"gpu-1", "gpu-2"} : Words{"other-1"};
    case NameKind::kPoolAndBackend:
      return {"llama/gpu-1", "llama/gpu-2"};
    case NameKind::kService:
      return {"chat", "evil$(reboot)"};
    case NameKind::kVerdict:
      return {"forward", "denied"};
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
  EXPECT_THAT(after({"top", "--view", "w"}), ElementsAre("workers"));
}

TEST(Completion, FilesAreLeftToTheShell) {
  for (const auto& words : {Words{"config", "diff", "x"},
                            {"doctor", "--config", ""},
                            {"--socket", ""},
                            {"capture", "--out", "a"}})
    EXPECT_THAT(after(words), ElementsAre("!files"));
}

TEST(Completion, ANameThatAShellCouldRunIsLeftOut) {
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
