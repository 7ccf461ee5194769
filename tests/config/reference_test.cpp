// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"
#include "config/schema.hpp"
#include "config/table.hpp"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

void each_field(const Object& object, auto&& f) {
  for (const auto& field : object.fields) {
    f(field);
    if (field.shape.object != nullptr) each_field(*field.shape.object, f);
    if (field.shape.item != nullptr && field.shape.item->object != nullptr)
      each_field(*field.shape.item->object, f);
  }
}

TEST(Reference, PageInTheDocumentationIsUpToDate) {
  const auto page =
      read_file(SLUICE_TEST_FILES "/../../docs/reference/configuration.md", 1U << 20U);
  ASSERT_TRUE(page) << page.error().text();
  EXPECT_EQ(*page, reference_markdown()) << "run: meson compile -C build configuration-reference";
}

TEST(Reference, NamesEveryField) {
  const auto page = reference_markdown();
  each_field(table(), [&](const Field& field) {
    EXPECT_NE(page.find("| `" + std::string(field.key) + "` |"), std::string::npos) << field.key;
  });
}

TEST(Table, EveryFieldIsDescribedInSentences) {
  each_field(table(), [](const Field& field) {
    EXPECT_TRUE(field.about.size() > 10 && field.about.ends_with('.')) << field.key;
    EXPECT_EQ(field.about.find_first_of("|\n"), std::string_view::npos) << field.key;
  });
}

TEST(Table, NumbersHaveARangeThatADoubleHoldsExactly) {
  each_field(table(), [](const Field& field) {
    if (field.shape.kind != Shape::Kind::kInteger && field.shape.kind != Shape::Kind::kNumber)
      return;
    EXPECT_LT(field.shape.low, field.shape.high) << field.key;
    EXPECT_LT(field.shape.high, 9007199254740992.0) << field.key;
  });
}

}  // namespace
}  // namespace sluice::config
