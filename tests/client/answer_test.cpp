// SPDX-License-Identifier: Apache-2.0
#include "client/answer.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseAnswer, TakesJsonUpToTheDeepestLevel) {
  EXPECT_TRUE(parse_answer(nested(kDeepestAnswer)));
  const auto deeper = parse_answer(nested(kDeepestAnswer + 1));
  ASSERT_FALSE(deeper);
  EXPECT_EQ(deeper.error().code, Errc::kIo);
  EXPECT_EQ(deeper.error().message, "the daemon's answer is nested deeper than 64 levels");
}

TEST(ParseAnswer, BracketsInStringsAreNoLevels) {
  EXPECT_TRUE(parse_answer(
      R"(["\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["])"));
}

TEST(ParseAnswer, ShowsTheStartOfWhatIsNotJson) {
  const auto answer = parse_answer("<html>\x1b[31m" + std::string(100'000, 'x'));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(
      answer.error().message.starts_with("the daemon's answer is not JSON: '<html>\\x1b[31mxxx"))
      << answer.error().message;
  EXPECT_LT(answer.error().message.size(), 200U);
}

TEST(ParseAnswer, RefusesWhatIsAlmostJson) {
  for (const auto* text :
       {"", "{", "{\"a\":1,}", "[1] [2]", "'a'", "NaN", "\"\xff\"", "1e999", "// note\n{}"})
    EXPECT_FALSE(parse_answer(text)) << text;
}

TEST(LayOut, ChangesNothingButSpace) {
  const std::string text =
      R"({"z":1,"a":[1.50,-0,1e2,18446744073709551616,true,null],"":{},"l":[],"s":"a b\u00e9,:{}[]\\\"\\","n":{"z":"ü"}})";
  const auto laid_out = lay_out(text);
  ASSERT_TRUE(laid_out);
  EXPECT_EQ(*laid_out, R"({
  "z": 1,
  "a": [
    1.50,
    -0,
    1e2,
    18446744073709551616,
    true,
    null
  ],
  "": {},
  "l": [],
  "s": "a b\u00e9,:{}[]\\\"\\",
  "n": {
    "z": "ü"
  }
}
)");
  EXPECT_EQ(*lay_out(*laid_out), *laid_out);
}

TEST(LayOut, TakesLoneValuesAndEmptyOnesWithSpace) {
  EXPECT_EQ(*lay_out(" 1 "), "1\n");
  EXPECT_EQ(*lay_out("\"a\""), "\"a\"\n");
  EXPECT_EQ(*lay_out("{ \n }"), "{}\n");
  EXPECT_EQ(*lay_out("[\t]"), "[]\n");
}

TEST(LayOut, EscapesWhatCouldSteerATerminal) {
  const std::string text = "[\"\x7f\xc2\x9b\xc2\xa0\"]";
  const auto laid_out = lay_out(text);
  ASSERT_TRUE(laid_out);
  EXPECT_EQ(*laid_out, "[\n  \"\\u007f\\u009b\xc2\xa0\"\n]\n");
  EXPECT_EQ(nlohmann::json::parse(*laid_out), nlohmann::json::parse(text));
}

TEST(LayOut, RefusesWhatIsNotJson) {
  EXPECT_FALSE(lay_out("{"));
  EXPECT_FALSE(lay_out(nested(kDeepestAnswer + 1)));
}

TEST(Refusal, IsTheDaemonsErrorWithItsFaults) {
  const auto error = refusal(
      {400, R"({"error": {"code": "invalid", "where": "configuration", "message": "2 faults"},
    "faults": ["/pools/0: a; b", "/ports: \u001b[2J"]})"});
  EXPECT_EQ(error.code, Errc::kInvalid);
  EXPECT_EQ(error.text(), "configuration: 2 faults\n  /pools/0: a; b\n  /ports: \\x1b[2J");
}

TEST(Refusal, HasTheCodeTheDaemonNames) {
  for (const auto code : {Errc::kInvalid, Errc::kNotFound, Errc::kConflict, Errc::kExhausted,
                          Errc::kIo, Errc::kUnsupported}) {
    const auto body =
        R"({"error": {"code": ")" + std::string(name(code)) + R"(", "where": "", "message": "m"}})";
    EXPECT_EQ(refusal({http_status(code), body}).code, code);
    EXPECT_EQ(refusal({http_status(code), body}).text(), "m");
  }
}

TEST(Refusal, OfAnotherShapeShowsStatusAndBody) {
  EXPECT_EQ(refusal({503, "busy\n"}).text(),
            "the daemon answered HTTP status 503 with 'busy\\x0a'");
  EXPECT_EQ(refusal({503, "busy"}).code, Errc::kIo);
  EXPECT_EQ(refusal({400, "bad"}).code, Errc::kInvalid);
  for (const auto* body :
       {"", "[]", "null", R"({"error": 1})", R"({"error": {"message": 1}})", R"({"error": null})"})
    EXPECT_EQ(refusal({500, body}).code, Errc::kIo) << body;
  EXPECT_LT(refusal({500, std::string(1U << 22U, '\x1b')}).text().size(), 300U);
}

TEST(Refusal, SurvivesFaultsOfTheWrongType) {
  const auto error = refusal(
      {400, R"({"error": {"code": 7, "where": 1, "message": "m"}, "faults": [1, null, {}]})"});
  EXPECT_EQ(error.text(), "m\n  1\n  ?\n  ?");
}

}  // namespace
}  // namespace sluice::client
