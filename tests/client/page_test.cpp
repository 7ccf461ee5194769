// SPDX-License-Identifier: Apache-2.0
// Runs every command of docs/reference/sluicectl.md and compares what it prints with the page.
#include "client/run.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace sluice::client {
namespace {

constexpr std::string_view kPrompt = "$ sluicectl ";
constexpr std::string_view kSocket = "/run/sluice/admin.sock";

struct Example {
  std::string words;
  std::string printed;
};

// Examples stand in ```console blocks: a prompt line, then what it prints.
std::vector<Example> examples_of(std::istream& page) {
  std::vector<Example> list;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) {
      inside = line == "```console";
    } else if (inside && line.starts_with(kPrompt)) {
      list.push_back({line.substr(kPrompt.size()), ""});
    } else if (inside && line != "^C" && !list.empty()) {
      list.back().printed += line + "\n";
    }
  }
  return list;
}

// The page speaks of the socket's usual place.
std::string with_usual_socket(std::string text, const std::string& socket) {
  for (auto at = text.find(socket); at != text.npos; at = text.find(socket))
    text.replace(at, socket.size(), kSocket);
  std::erase(text, '\r');  // of CSV; a page has none
  return text;
}

// `events --follow` ends when it has asked for more than is there.
Outcome run_until_it_waits(ScriptedDaemon& daemon, const std::string& words) {
  const UniqueFd interrupt(::eventfd(0, EFD_CLOEXEC));
  auto environment = environment_for(daemon.socket());
  environment.interrupt = [&] { return interrupt.get(); };
  const std::size_t asked = daemon.received().size() + 3;
  bool waited = false;
  std::thread user([&] {
    waited = daemon.wait_for(asked);
    ::eventfd_write(interrupt.get(), 1);
  });
  auto outcome = sluicectl(environment, words);
  user.join();
  EXPECT_TRUE(waited);
  return outcome;
}

TEST(Page, EveryExamplePrintsWhatThePageShows) {
  std::ifstream page(SLUICECTL_PAGE);
  ASSERT_TRUE(page) << SLUICECTL_PAGE;
  const auto examples = examples_of(page);
  ASSERT_GE(examples.size(), 20U);
  ScriptedDaemon daemon;
  play_recorded(daemon);
  daemon.script("POST /api/v1/backends/llama/gpu-9/drain",
                Reply{404, R"({"error": {"code": "not_found", "where": "pool llama",
                "message": "has no backend 'gpu-9', did you mean 'gpu-1'?"}})"});
  std::ofstream(daemon.folder() + "/new.json") << "{} // a comment\n";
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(daemon.folder());
  for (const auto& example : examples) {
    const auto outcome = example.words.find("--follow") == std::string::npos
                             ? sluicectl(daemon, example.words)
                             : run_until_it_waits(daemon, example.words);
    EXPECT_EQ(with_usual_socket(outcome.out + outcome.err, daemon.socket()), example.printed)
        << example.words;
  }
  std::filesystem::current_path(before);
}

TEST(Page, EveryCommandHasAnExample) {
  std::ifstream page(SLUICECTL_PAGE);
  const auto examples = examples_of(page);
  for (const std::string_view command : {"status",
                                         "services",
                                         "pools",
                                         "backends",
                                         "top",
                                         "workers",
                                         "flows",
                                         "drops",
                                         "events",
                                         "trace",
                                         "capture",
                                         "config show",
                                         "config diff",
                                         "config apply",
                                         "backend add",
                                         "backend remove",
                                         "backend drain",
                                         "backend maintenance",
                                         "backend undrain",
                                         "backend weight",
                                         "health",
                                         "scale show",
                                         "scale set",
                                         "reload"}) {
    const auto shows = [&](const Example& example) { return example.words.starts_with(command); };
    EXPECT_TRUE(std::ranges::any_of(examples, shows)) << command;
  }
}

}  // namespace
}  // namespace sluice::client
