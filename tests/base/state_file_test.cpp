// SPDX-License-Identifier: Apache-2.0
#include "base/state_file.hpp"

#include "base/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sluice {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

const Json kBody = {{"some", {1, 2.5, "three"}}, {"deep", {{"er", true}}}};

struct StateFile : testing::Test {
  StateFile() {
    std::string name = testing::TempDir() + "sluice-state-XXXXXX";
    directory = ::mkdtemp(name.data());
    path = directory / "some.json";
  }
  ~StateFile() override { std::filesystem::remove_all(directory); }

  void write(std::string_view text) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  std::string load(unsigned version = 3) {
    body = nullptr;
    return load_state(path, version, [&](const Json& found) { body = found; });
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
  }

  std::filesystem::path directory;
  std::filesystem::path path;
  Json body;
};

TEST_F(StateFile, WhatIsSavedIsLoaded) {
  ASSERT_TRUE(save_state(path, 3, kBody));
  EXPECT_EQ(load(), "");
  EXPECT_EQ(body, kBody);
  EXPECT_EQ(files(), 1U);
}

TEST_F(StateFile, FoldersAreMadeAndNoFileIsNoProblem) {
  EXPECT_EQ(load(), "");
  EXPECT_EQ(body, nullptr);
  path = directory / "a" / "b" / "some.json";
  EXPECT_EQ(load(), "");
  ASSERT_TRUE(save_state(path, 3, kBody));
  EXPECT_EQ(load(), "");
  EXPECT_EQ(body, kBody);
}

TEST_F(StateFile, EveryTruncationIsDamage) {
  const std::string whole = state_text(3, kBody);
  for (std::size_t length = 0; length < whole.size() - 1; ++length) {
    write(std::string_view(whole).substr(0, length));
    EXPECT_THAT(load(), HasSubstr("some.json.damaged-")) << length;
    EXPECT_EQ(body, nullptr) << length;
    EXPECT_FALSE(std::filesystem::exists(path)) << length;
  }
  EXPECT_EQ(files(), 9U) << "damaged files are kept, but not without end";
}

TEST_F(StateFile, OtherVersionIsNotReadAndIsKeptBeside) {
  ASSERT_TRUE(save_state(path, 4, kBody));
  EXPECT_THAT(load(), HasSubstr("is of version 4, not 3; it is kept as"));
  EXPECT_EQ(body, nullptr);
  EXPECT_TRUE(std::filesystem::exists(path.string() + ".damaged-1"));
}

TEST_F(StateFile, BodyThatItsReaderRefusesIsDamage) {
  ASSERT_TRUE(save_state(path, 3, kBody));
  const auto problem = load_state(path, 3, [](const Json& found) { (void)found.at("other"); });
  EXPECT_THAT(problem, HasSubstr("cannot be understood"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(StateFile, DepthIsBoundedAndBracketsInTextAreNoDepth) {
  Json nested = "[[[[[[[[[[[[ \"\\";
  for (int depth = 1; depth <= 31; ++depth) nested = Json::array({nested});
  ASSERT_TRUE(save_state(path, 3, nested));
  EXPECT_EQ(load(), "");
  EXPECT_EQ(body, nested);
  ASSERT_TRUE(save_state(path, 3, Json::array({nested})));
  EXPECT_THAT(load(), HasSubstr("nested too deeply"));
}

TEST_F(StateFile, FileLongerThanAnyStateIsAProblemAndStays) {
  write(std::string(kLongestStateFile + 1, ' '));
  EXPECT_NE(load(), "");
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(StateFile, DirectoryInItsPlaceIsAnErrorAndNotACrash) {
  std::filesystem::create_directory(path);
  EXPECT_NE(load(), "");
  const auto saved = save_state(path, 3, kBody);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, Errc::kIo);
}

TEST_F(StateFile, DirectoryThatCannotBeMadeIsAnError) {
  write("");
  const auto saved = save_state(path / "below" / "some.json", 3, kBody);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, Errc::kIo);
}

}  // namespace
}  // namespace sluice
