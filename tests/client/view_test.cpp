// SPDX-License-Identifier: Apache-2.0
#include "client/view.hpp"

#include "client/text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

using nlohmann::json;

TEST(View, OfSomethingMissingIsAbsentAllTheWayDown) {
  const json value{{"a", 1}};
  const auto view = View(value)["b"]["c"]["d"];
  EXPECT_FALSE(view.present());
  EXPECT_EQ(view.text(), "?");
  EXPECT_EQ(view.count(), "?");
  EXPECT_EQ(view.share(), "?");
  EXPECT_EQ(view.duration(), "?");
  EXPECT_EQ(view.whole(), std::nullopt);
  EXPECT_FALSE(view.items());
  EXPECT_TRUE(view.members().empty());
  EXPECT_FALSE(view.is_true());
  EXPECT_FALSE(view.is_false());
}

TEST(View, EveryLookAtEveryTypeGivesSomething) {
  for (const auto& value : {json(), json(true), json(-1), json(1U), json(1.5), json("text"),
                            json::array({1}), json{{"a", 1}}}) {
    const View view(value);
    (void)view["a"]["b"].text();
    (void)view.items();
    (void)view.members();
    (void)view.whole();
    (void)view.real();
    (void)view.is("text");
    EXPECT_FALSE(view.text().empty()) << value;
    EXPECT_FALSE(view.count().empty()) << value;
    EXPECT_FALSE(view.share().empty()) << value;
    EXPECT_FALSE(view.duration().empty()) << value;
    EXPECT_EQ(view.json(100), value.dump());
  }
}

TEST(View, WholeNumbersAreExactAndNotNegative) {
  const json value{
      {"most", 18446744073709551615U}, {"negative", -1}, {"float", 1.0}, {"text", "1"}};
  EXPECT_EQ(View(value)["most"].whole(), 18446744073709551615U);
  EXPECT_EQ(View(value)["most"].text(), "18446744073709551615");
  EXPECT_EQ(View(value)["negative"].whole(), std::nullopt);
  EXPECT_EQ(View(value)["float"].whole(), std::nullopt);
  EXPECT_EQ(View(value)["text"].whole(), std::nullopt);
}

TEST(View, TextIsPrintableAndBounded) {
  const json value{{"escape", "\x1b[2J"}, {"long", std::string(10'000'000, '\x1b')}};
  EXPECT_EQ(View(value)["escape"].text(), "\\x1b[2J");
  EXPECT_EQ(columns(View(value)["long"].text(50)), 50U);
}

TEST(View, CutsBetweenCharacters) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "e\u0301\u0301";  // one column, five bytes
  const json value(many);
  for (std::size_t widest = 1; widest < 20; ++widest)
    EXPECT_EQ(View(value).text(widest).find("\\x"), std::string::npos) << widest;
}

TEST(View, NamesOfMembersArePrintable) {
  const json value{{"\x1b]0;title\x07", 1}};
  ASSERT_EQ(View(value).members().size(), 1U);
  EXPECT_EQ(View(value).members()[0].first, "\\x1b]0;title\\x07");
}

}  // namespace
}  // namespace sluice::client
