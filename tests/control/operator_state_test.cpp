// SPDX-License-Identifier: Apache-2.0
#include "control/operator_state.hpp"

#include "base/file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

namespace sluice::control {
namespace {

using Parsed = nlohmann::json;
using testing::HasSubstr;

config::Backend backend(std::string name, std::string_view address, std::uint32_t weight = 100) {
  config::Backend b;
  b.name = std::move(name);
  b.address = IpAddress::parse(address).value();
  b.weight = weight;
  return b;
}

config::Configuration file_of(std::vector<config::Backend> backends) {
  config::Configuration file;
  file.pools.resize(1);
  file.pools[0].name = "llama";
  file.pools[0].backends = std::move(backends);
  return file;
}

OperatorState some_changes() {
  OperatorState state;
  state.generation = 41;
  auto& llama = state.pools["llama"];
  llama.added = {backend("gpu-7", "10.0.1.17", 0), backend("gpu-8", "2001:db8::8", 65535)};
  llama.added[0].backend_class = "h100";
  llama.added[0].port = 8080;
  llama.added[0].max_connections = 512;
  llama.added[0].server_id = "0a1f";
  llama.removed = {"gpu-9"};
  llama.weights = {{"gpu-1", 50}, {"gpu-2", 0}};
  llama.drained = {"gpu-2", "gpu-7"};
  state.pools["mistral"].drained = {"gpu-1"};
  state.pools["mistral"].maintenance = {"gpu-3"};
  return state;
}

std::string checksum_of(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return fmt::format("{:016x}", h);
}

struct OperatorStateFile : testing::Test {
  OperatorStateFile() {
    std::string name = testing::TempDir() + "sluice-state-XXXXXX";
    directory = ::mkdtemp(name.data());
    path = directory / "operator.json";
  }
  ~OperatorStateFile() override { std::filesystem::remove_all(directory); }

  void write(std::string_view text) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  /// A file whose checksum is right, whatever its body is.
  void write_body(const Parsed& body) const {
    write(Parsed{{"version", 1}, {"checksum", checksum_of(body.dump())}, {"body", body}}.dump());
  }
  [[nodiscard]] LoadedState load() const { return load_operator_state(directory); }
  void save(const OperatorState& state) const {
    const auto saved = save_operator_state(state, directory);
    ASSERT_TRUE(saved) << saved.error().text();
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
  }

  std::filesystem::path directory;
  std::filesystem::path path;
};

TEST_F(OperatorStateFile, WhatIsSavedIsLoaded) {
  for (const auto& state : {OperatorState{}, some_changes()}) {
    save(state);
    const auto loaded = load();
    EXPECT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.state, state);
  }
  EXPECT_EQ(files(), 1U) << "nothing is left beside it";
}

TEST_F(OperatorStateFile, NoFileAndNoDirectoryAreAnEmptyState) {
  EXPECT_EQ(load().problem, "");
  EXPECT_EQ(load().state, OperatorState{});
  const auto nowhere = load_operator_state(directory / "not" / "there");
  EXPECT_EQ(nowhere.problem, "");
}

TEST_F(OperatorStateFile, DirectoryIsMadeWhenItIsMissing) {
  const auto deep = directory / "a" / "b";
  ASSERT_TRUE(save_operator_state(some_changes(), deep));
  EXPECT_EQ(load_operator_state(deep).state, some_changes());
}

TEST_F(OperatorStateFile, FilesThatAKilledDaemonLeftBesideAreIgnored) {
  save(some_changes());
  std::ofstream(path.string() + ".Ab3xYz") << "{\"version\":1,\"check";
  const auto loaded = load();
  EXPECT_EQ(loaded.problem, "");
  EXPECT_EQ(loaded.state, some_changes());
  save(OperatorState{});
  EXPECT_EQ(load().state, OperatorState{});
}

TEST_F(OperatorStateFile, EveryTruncationIsDamageAndIsPutAside) {
  save(some_changes());
  const std::string whole = read_file(path, 1U << 20U).value();
  const auto end = whole.find_last_not_of('\n') + 1;
  for (std::size_t length = 0; length < end; length += 7) {
    write(std::string_view(whole).substr(0, length));
    const auto loaded = load();
    ASSERT_EQ(loaded.state, OperatorState{}) << length;
    ASSERT_THAT(loaded.problem, HasSubstr("operator.json.damaged-")) << length;
    ASSERT_FALSE(std::filesystem::exists(path)) << length;
  }
  EXPECT_EQ(files(), 9U) << "damaged files are kept, but not without end";
}

TEST_F(OperatorStateFile, EveryChangedByteIsFoundOrWithoutMeaning) {
  save(some_changes());
  const std::string whole = read_file(path, 1U << 20U).value();
  std::mt19937 random(1);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1U << (random() % 7)));
    write(damaged);
    const auto loaded = load();
    // White space for white space is the one change that means nothing.
    ASSERT_EQ(loaded.state, loaded.problem.empty() ? some_changes() : OperatorState{}) << at;
    if (std::isspace(static_cast<unsigned char>(whole[at])) == 0) {
      ASSERT_NE(loaded.problem, "") << at << " " << whole[at];
    }
  }
}

TEST_F(OperatorStateFile, FileOfANewerVersionIsPutAsideAndSaidSo) {
  write(R"({"version":2,"checksum":"","body":{}})");
  EXPECT_THAT(load().problem, HasSubstr("is of version 2, not 1"));
  EXPECT_TRUE(std::filesystem::exists(path.string() + ".damaged-1"));
}

TEST_F(OperatorStateFile, HostileTextIsAnEmptyStateWithAProblem) {
  const std::string deep(1'000'000, '[');
  const std::string texts[] = {"",
                               "null",
                               "[]",
                               "1",
                               "{}",
                               "\xff\xfe",
                               std::string(5, '\0'),
                               deep,
                               deep + std::string(1'000'000, ']'),
                               R"({"version":1})",
                               R"({"version":true,"checksum":1})",
                               R"({"version":1.0000001,"checksum":"","body":{}})",
                               R"({"version":1e999,"checksum":"","body":{}})",
                               R"({"version":-1,"checksum":"","body":{}})",
                               R"({"version":18446744073709551617,"checksum":"","body":{}})",
                               R"({"version":1,"checksum":17,"body":{}})",
                               R"({"version":1,"checksum":"00","body":{}})",
                               std::string((16U << 20U) + 1, ' ')};
  for (const auto& text : texts) {
    write(text);
    const auto loaded = load();
    EXPECT_EQ(loaded.state, OperatorState{});
    EXPECT_NE(loaded.problem, "") << text.substr(0, 80);
  }
}

TEST_F(OperatorStateFile, BodyWithARightChecksumIsStillCheckedThroughout) {
  Parsed good;
  {
    save(some_changes());
    good = Parsed::parse(read_file(path, 1U << 20U).value()).at("body");
  }
  write_body(good);
  ASSERT_EQ(load().state, some_changes());

  const auto with = [&](const char* pointer, const Parsed& value) {
    Parsed body = good;
    body[Parsed::json_pointer(pointer)] = value;
    return body;
  };
  Parsed deep = Parsed::array();
  for (int i = 0; i < 50; ++i) deep = Parsed::array({deep});
  const std::string long_name(65, 'x');
  const Parsed bodies[] = {
      Parsed::array(),
      with("/generation", -1),
      with("/generation", 1.5),
      with("/generation", "7"),
      with("/generation", std::uint64_t{1} << 63U),
      with("/pools", Parsed::array()),
      with("/pools/llama", nullptr),
      with("/pools/llama/added", "gpu-7"),
      with("/pools/llama/added", deep),
      with("/pools/llama/added/0/name", ""),
      with("/pools/llama/added/0/name", "a/b"),
      with("/pools/llama/added/0/name", "a\nb"),
      with("/pools/llama/added/0/name", "\xc3\xa4"),
      with("/pools/llama/added/0/name", long_name),
      with("/pools/llama/added/0/name", "gpu-8"),  // twice then
      with("/pools/llama/added/0/name", 7),
      with("/pools/llama/added/0/address", "10.0.0"),
      with("/pools/llama/added/0/address", nullptr),
      with("/pools/llama/added/0/weight", 65536),
      with("/pools/llama/added/0/weight", -1),
      with("/pools/llama/added/0/weight", 1e300),
      with("/pools/llama/added/0/class", "a b"),
      with("/pools/llama/added/0/port", 65536),
      with("/pools/llama/added/0/port", "8080"),
      with("/pools/llama/added/0/max_connections", 1'000'000'001),
      with("/pools/llama/added/0/max_connections", -1),
      with("/pools/llama/added/0/server_id", "0a1"),
      with("/pools/llama/added/0/server_id", 10),
      with("/pools/llama/weights/gpu-1", "50"),
      with("/pools/llama/weights/gpu-1", std::uint64_t{1} << 32U),
      with("/pools/llama/weights/bad name", 50),
      with("/pools/llama/removed", {"", "x"}),
      with("/pools/llama/removed", "gpu-1"),
      with("/pools/llama/drained", {1, 2}),
      with("/pools/llama/maintenance", {1, 2}),
      with("/pools/llama/drained", {{"gpu-1", true}}),
      with("/pools/bad name", good["pools"]["mistral"]),
  };
  for (const auto& body : bodies) {
    write_body(body);
    const auto loaded = load();
    EXPECT_EQ(loaded.state, OperatorState{}) << body.dump();
    EXPECT_THAT(loaded.problem, HasSubstr("cannot be understood")) << body.dump();
  }
  for (const char* const key : {"/added", "/removed", "/weights", "/drained"}) {
    Parsed body = good;
    body["pools"]["llama"].erase(key + 1);
    write_body(body);
    EXPECT_NE(load().problem, "") << key;
  }
}

TEST_F(OperatorStateFile, BackendsOfAFileThatKnewNoPortsHaveTheDefaults) {
  save(some_changes());
  Parsed body = Parsed::parse(read_file(path, 1U << 20U).value()).at("body");
  for (auto& added : body["pools"]["llama"]["added"])
    for (const char* const key : {"port", "max_connections", "server_id"}) added.erase(key);
  write_body(body);
  const auto loaded = load();
  EXPECT_EQ(loaded.problem, "");
  auto expected = some_changes();
  auto& gpu_7 = expected.pools["llama"].added[0];
  gpu_7.port = 0;
  gpu_7.max_connections = 0;
  gpu_7.server_id.clear();
  EXPECT_EQ(loaded.state, expected);
}

TEST_F(OperatorStateFile, DirectoryInItsPlaceIsAProblemAndNotACrash) {
  std::filesystem::create_directory(path);
  EXPECT_NE(load().problem, "");
  EXPECT_EQ(load().state, OperatorState{});
  const auto saved = save_operator_state(some_changes(), directory);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, Errc::kIo);
  EXPECT_EQ(files(), 1U) << "the attempt leaves nothing behind";
}

TEST_F(OperatorStateFile, DirectoryThatCannotBeMadeIsAnError) {
  std::ofstream(directory / "file") << "";
  const auto saved = save_operator_state(some_changes(), directory / "file" / "state");
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, Errc::kIo);
}

TEST_F(OperatorStateFile, FullDiskIsAnErrorAndTheOldFileStays) {
  std::string cannot;
  std::thread([&] {
    // Per thread: nobody else sees the mount, and it goes with the thread.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", directory.c_str(), "tmpfs", 0, "size=64k") != 0) {
      cannot = std::string("needs root to mount a small disk: ") + std::strerror(errno);
      return;
    }
    save(some_changes());
    OperatorState large = some_changes();
    for (int i = 0; i < 10'000; ++i) large.pools["llama"].drained.insert(fmt::format("gpu-{}", i));
    const auto saved = save_operator_state(large, directory);
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, Errc::kIo);
    EXPECT_THAT(saved.error().message, HasSubstr("No space left"));
    EXPECT_EQ(load().state, some_changes());
    EXPECT_EQ(files(), 1U);
    save(OperatorState{});  // and when there is room again it works
  }).join();
  if (!cannot.empty()) GTEST_SKIP() << cannot;
}

TEST(Apply, ChangesStandOverTheFileAndOtherPoolsStayAsTheyAre) {
  auto file = file_of(
      {backend("gpu-1", "10.0.1.1"), backend("gpu-2", "10.0.1.2"), backend("gpu-9", "10.0.1.9")});
  file.pools.push_back(file.pools[0]);
  file.pools[1].name = "other";
  auto state = some_changes();
  state.pools.erase("mistral");
  const auto running = apply(file, state);
  std::string names;
  for (const auto& b : running.pools[0].backends) names += fmt::format("{}:{} ", b.name, b.weight);
  EXPECT_EQ(names, "gpu-1:50 gpu-2:0 gpu-7:0 gpu-8:65535 ");
  EXPECT_EQ(running.pools[1].backends.size(), 3U);
  EXPECT_EQ(running.pools[1].backends[0].weight, 100U);
}

TEST(Apply, BackendThatIsRemovedAndAddedAgainIsTheAddedOne) {
  const auto file = file_of({backend("gpu-1", "10.0.1.1")});
  OperatorState state;
  state.pools["llama"].removed = {"gpu-1"};
  state.pools["llama"].added = {backend("gpu-1", "10.0.1.99")};
  const auto before = state;
  prune(state, file);
  EXPECT_EQ(state, before);
  const auto running = apply(file, state);
  ASSERT_EQ(running.pools[0].backends.size(), 1U);
  EXPECT_EQ(running.pools[0].backends[0].address, IpAddress::parse("10.0.1.99"));
}

TEST(Prune, DropsWhatDoesNotApplyAndKeepsTheRest) {
  const auto file = file_of({backend("gpu-1", "10.0.1.1", 50), backend("gpu-2", "10.0.1.2"),
                             backend("gpu-7", "10.0.1.17")});
  auto state = some_changes();  // gpu-1 has the weight 50 now, gpu-7 is in the file, gpu-9 is not
  state.pools["llama"].drained.insert("gone");
  prune(state, file);
  EXPECT_EQ(state.generation, 41U);
  ASSERT_EQ(state.pools.size(), 1U) << "a pool that is gone takes its changes along";
  const auto& llama = state.pools["llama"];
  ASSERT_EQ(llama.added.size(), 1U);
  EXPECT_EQ(llama.added[0].name, "gpu-8");
  EXPECT_TRUE(llama.removed.empty());
  EXPECT_EQ(llama.weights, (std::map<std::string, std::uint32_t>{{"gpu-2", 0}}));
  EXPECT_EQ(llama.drained, (std::set<std::string>{"gpu-2", "gpu-7"}));
}

// Random changes over random files: pruning twice is pruning once, and never changes what runs.
TEST(Prune, ChangesNothingOfWhatRuns) {
  std::mt19937 random(1);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto name = [&] { return fmt::format("gpu-{}", below(6)); };
  for (int round = 0; round < 2000; ++round) {
    std::map<std::string, config::Backend> backends;
    for (unsigned i = below(5); i > 0; --i) {
      const auto n = name();
      backends[n] = backend(n, fmt::format("10.0.1.{}", n.back()), below(3));
    }
    std::vector<config::Backend> in_file;
    for (const auto& [n, b] : backends) in_file.push_back(b);
    const auto file = file_of(in_file);
    OperatorState state;
    auto& changes = state.pools[below(8) == 0 ? "gone" : "llama"];
    for (unsigned i = below(3); i > 0; --i) {
      const auto n = name();
      if (std::ranges::none_of(changes.added, [&](const auto& b) { return b.name == n; }))
        changes.added.push_back(backend(n, fmt::format("10.0.2.{}", n.back())));
    }
    for (unsigned i = below(3); i > 0; --i) changes.removed.insert(name());
    for (unsigned i = below(3); i > 0; --i) changes.weights[name()] = below(3);
    for (unsigned i = below(3); i > 0; --i) changes.drained.insert(name());
    for (unsigned i = below(3); i > 0; --i) changes.maintenance.insert(name());

    const auto text_of = [&](const OperatorState& with) {
      std::string text;
      const auto running = apply(file, with);
      for (const auto& b : running.pools[0].backends)
        text += fmt::format("{}={}:{} ", b.name, b.address.text(), b.weight);
      return text;
    };
    const auto before = text_of(state);
    auto pruned = state;
    prune(pruned, file);
    ASSERT_EQ(text_of(pruned), before);
    const auto once = pruned;
    prune(pruned, file);
    ASSERT_EQ(pruned, once);
  }
}

}  // namespace
}  // namespace sluice::control
