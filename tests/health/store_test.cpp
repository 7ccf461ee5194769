// SPDX-License-Identifier: Apache-2.0
#include "health/store.hpp"

#include "base/file.hpp"
#include "base/state_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using testing::HasSubstr;

KeptHealth some_health() {
  KeptHealth health;
  health.saved += 1'795'280'400'123ms;
  KeptPool& llama = health.pools["llama"];
  llama["gpu-1"] = {State::kUp, true, 123'456ms, 2, 0ms, 0ms, 0};
  llama["gpu-2"] = {State::kDown, true, 17ms, 0, 0ms, 4000ms, 4.123456789};
  llama["gpu-3"] = {State::kEjected, true, 1ms, 3, 119'000ms, 0ms, 1};
  llama["gpu-4"] = {};
  llama["gpu-5"] = {State::kDegraded, true, 5ms, 0, 0ms, 0ms, 0.25};
  health.pools["mistral"]["gpu-1"] = {State::kDown, false, 0ms, 0, 0ms, 0ms, 0};
  health.pools["empty"] = {};
  return health;
}

struct HealthFile : testing::Test {
  HealthFile() {
    std::string name = testing::TempDir() + "sluice-health-XXXXXX";
    directory = ::mkdtemp(name.data());
    path = directory / "health.json";
  }
  ~HealthFile() override { std::filesystem::remove_all(directory); }

  void write(std::string_view text) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  [[nodiscard]] LoadedHealth load() const { return load_health(directory); }

  std::filesystem::path directory;
  std::filesystem::path path;
};

TEST_F(HealthFile, WhatIsSavedIsLoaded) {
  for (const auto& health : {KeptHealth{}, some_health()}) {
    ASSERT_TRUE(save_health(health, directory));
    const auto loaded = load();
    EXPECT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.health, health);
  }
}

TEST_F(HealthFile, NoFileIsNoProblem) {
  EXPECT_EQ(load().problem, "");
  EXPECT_EQ(load().health, KeptHealth{});
}

TEST_F(HealthFile, DamagedFileIsSaidSoKeptBesideAndHealthIsFoundOutAnew) {
  write("{");
  const auto loaded = load();
  EXPECT_EQ(loaded.health, KeptHealth{});
  EXPECT_THAT(loaded.problem, HasSubstr("health.json.damaged-1; health is found out anew"));
  EXPECT_TRUE(std::filesystem::exists(path.string() + ".damaged-1"));
}

TEST_F(HealthFile, FileThatIsTooLongIsNotRead) {
  write(std::string((16U << 20U) + 1, ' '));
  const auto loaded = load();
  EXPECT_EQ(loaded.health, KeptHealth{});
  EXPECT_NE(loaded.problem, "");
}

TEST_F(HealthFile, LargestPoolsFit) {
  KeptHealth health;
  Kept kept = some_health().pools["llama"]["gpu-2"];
  kept.age = 1'000'000'000'000ms;
  for (int i = 0; i < 60'000; ++i)
    health.pools["llama"][fmt::format("backend-with-a-long-name-{}", i)] = kept;
  ASSERT_TRUE(save_health(health, directory));
  EXPECT_EQ(load().problem, "");
  EXPECT_EQ(load().health, health);
}

TEST(HealthText, EveryTruncationIsRefused) {
  const std::string whole = health_text(some_health());
  ASSERT_EQ(parse_health(whole), some_health());
  for (std::size_t length = 0; length + 1 < whole.size(); ++length) {
    const auto parsed = parse_health(std::string_view(whole).substr(0, length));
    ASSERT_FALSE(parsed) << length;
    ASSERT_EQ(parsed.error().code, Errc::kInvalid) << length;
  }
}

TEST(HealthText, EveryChangedByteIsFoundOrWithoutMeaning) {
  const std::string whole = health_text(some_health());
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1U << bit));
      const auto parsed = parse_health(damaged);
      // White space for white space is the one change that means nothing.
      const bool blank = std::isspace(static_cast<unsigned char>(whole[at])) != 0;
      if (parsed) {
        ASSERT_EQ(*parsed, some_health()) << at;
        ASSERT_TRUE(blank) << at << " " << whole[at];
      }
    }
}

TEST(HealthText, OtherVersionsAreRefusedByNumber) {
  const auto parsed = parse_health(R"({"version":2,"checksum":"","body":{}})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Errc::kUnsupported);
  EXPECT_EQ(parsed.error().message, "is of version 2, not 1");
}

TEST(HealthText, HostileTextIsRefused) {
  const std::string deep(1'000'000, '[');
  for (const std::string& text :
       {std::string{}, std::string("null"), std::string("[]"), std::string("{}"),
        std::string("\xff\xfe"), std::string(5, '\0'), deep, deep + std::string(1'000'000, ']'),
        std::string(R"({"version":1})"), std::string(R"({"version":1,"checksum":17,"body":{}})")})
    EXPECT_FALSE(parse_health(text)) << text.substr(0, 80);
}

TEST(HealthText, BodyWithARightChecksumIsStillCheckedThroughout) {
  const Json good = Json::parse(health_text(some_health())).at("body");
  ASSERT_EQ(parse_health(state_text(1, good)), some_health());
  const std::pair<const char*, Json> wrong[] = {
      {"/saved_ms", -1},
      {"/saved_ms", "7"},
      {"/saved_ms", std::uint64_t{1} << 63U},
      {"/pools", Json::array()},
      {"/pools/llama", nullptr},
      {"/pools/llama", "gpu-1"},
      {"/pools/llama/gpu-1", 7},
      {"/pools/llama/gpu-1", Json::object()},
      {"/pools/llama/gpu-1/state", "UP"},
      {"/pools/llama/gpu-1/state", "draining"},
      {"/pools/llama/gpu-1/state", "maintenance"},
      {"/pools/llama/gpu-1/state", 1},
      {"/pools/llama/gpu-1/proven", 1},
      {"/pools/llama/gpu-1/age_ms", -1},
      {"/pools/llama/gpu-1/age_ms", 1.5},
      {"/pools/llama/gpu-1/age_ms", 1e300},
      {"/pools/llama/gpu-1/age_ms", std::uint64_t{1} << 51U},
      {"/pools/llama/gpu-1/ejections", 1'000'001},
      {"/pools/llama/gpu-1/ejections", std::uint64_t{1} << 32U},
      {"/pools/llama/gpu-1/ejected_for_ms", nullptr},
      {"/pools/llama/gpu-1/hold_ms", "4000"},
      {"/pools/llama/gpu-1/penalty", -0.5},
      {"/pools/llama/gpu-1/penalty", 1001},
      {"/pools/llama/gpu-1/penalty", true},
      {"/pools/llama/a b", good["pools"]["llama"]["gpu-1"]},
      {"/pools/a\nb", Json::object()},
      {"/pools/", Json::object()},
  };
  for (const auto& [pointer, value] : wrong) {
    Json body = good;
    body[Json::json_pointer(pointer)] = value;
    const auto parsed = parse_health(state_text(1, body));
    ASSERT_FALSE(parsed) << pointer << " " << value.dump();
    EXPECT_THAT(parsed.error().message, HasSubstr("cannot be understood"));
  }
  Json without = good;
  without["pools"]["llama"]["gpu-1"].erase("hold_ms");
  EXPECT_FALSE(parse_health(state_text(1, without)));
  Json with_more = good;
  with_more["pools"]["llama"]["gpu-1"]["later"] = 1;
  EXPECT_EQ(parse_health(state_text(1, with_more)), some_health())
      << "a key of a later release is passed over";
}

TEST(HealthText, TimesBeyondAllMeasureAreWrittenAsTheLongest) {
  KeptHealth health = some_health();
  health.pools["llama"]["gpu-1"].age = std::chrono::milliseconds::max();
  health.pools["llama"]["gpu-1"].hold = std::chrono::milliseconds::min();
  const auto parsed = parse_health(health_text(health));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_GT(parsed->pools.at("llama").at("gpu-1").age, 24h * 365 * 1000);
  EXPECT_EQ(parsed->pools.at("llama").at("gpu-1").hold, 0ms);
}

TEST(KeptHealth, ClockThatWasSetBackTakesNoTimeAway) {
  KeptHealth health;
  health.saved += 1000s;
  EXPECT_EQ(health.away(std::chrono::system_clock::time_point{} + 1005s), 5s);
  EXPECT_EQ(health.away(std::chrono::system_clock::time_point{} + 10s), 0s);
}

}  // namespace
}  // namespace sluice::health
