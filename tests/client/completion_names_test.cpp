// SPDX-License-Identifier: Apache-2.0
#include "client/completion_names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kConfig = R"({"pools": [
  {"name": "llama", "classes": [{"name": "h100"}, {"name": "l4"}]},
  {"name": "plain"}, {"name": "mistral", "classes": [{"name": "tpu"}]}]})";

TEST(CompletionNames, ClassesAreThoseOfThePoolOrOfAll) {
  EXPECT_THAT(names_in(NameKind::kClass, "llama", kConfig), ElementsAre("h100", "l4"));
  EXPECT_THAT(names_in(NameKind::kClass, "plain", kConfig), IsEmpty());
  EXPECT_THAT(names_in(NameKind::kClass, "", kConfig), ElementsAre("h100", "l4", "tpu"));
}

TEST(CompletionNames, ABackendOfAPoolHasThePoolInFront) {
  const auto* const body = R"({"backends": [{"pool": "llama", "name": "gpu-1"}]})";
  EXPECT_THAT(names_in(NameKind::kPoolAndBackend, "", body), ElementsAre("llama/gpu-1"));
  EXPECT_THAT(names_in(NameKind::kBackend, "llama", body), ElementsAre("gpu-1"));
}

TEST(CompletionNames, AnAnswerThatIsNoneOfOursHasNone) {
  for (const auto* body : {"", "{", "[]", "7", R"({"pools": 5})", R"({"pools": {"name": "x"}})",
                           R"({"backends": [1, "x"]})", "\xff\xfe"})
    EXPECT_THAT(names_in(NameKind::kPool, "", body), IsEmpty()) << body;
}

TEST(CompletionNames, OnlyWordsThatMeanNothingToAShellArePlain) {
  for (const auto* word : {"gpu-1", "llama/gpu-1", "a.b_C9"}) EXPECT_TRUE(is_plain_name(word));
  for (const auto* word : {"", "-x", "--socket", "a b", "$x", "`x`", "a;b", "a|b", "a\nb", "*", "~",
                           "!files", "a=b", "\xc3\xa9", "a\x1b[2J"})
    EXPECT_FALSE(is_plain_name(word)) << word;
}

TEST(CompletionNames, ThePoolInARequestIsEscaped) {
  EXPECT_EQ(target_of(NameKind::kBackend, "a b&c"), "/api/v1/backends?pool=a%20b%26c");
  EXPECT_EQ(target_of(NameKind::kPool, "llama"), "/api/v1/pools");
}

TEST(CompletionNames, AFileThatIsNoConfigurationHasNone) {
  for (const auto* file : {"/nonexistent", "/dev/null", "/", "/proc/self/exe"})
    EXPECT_THAT(names_of_file(NameKind::kPool, {.pool = "", .file = file}), IsEmpty()) << file;
}

}  // namespace
}  // namespace sluice::client
