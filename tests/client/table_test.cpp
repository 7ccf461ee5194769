// SPDX-License-Identifier: Apache-2.0
#include "client/table.hpp"

#include "client/text.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::client {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Table, AlignsColumnsToTheirWidestCell) {
  Table table({{"NAME"}, {"PACKETS", Align::kRight}, {"STATE"}});
  table.add({{"gpu-1"}, {"12"}, {"up"}});
  table.add({{"a"}, {"123456789"}, {"draining"}});
  EXPECT_EQ(table.text(false),
            "NAME     PACKETS  STATE\n"
            "gpu-1         12  up\n"
            "a      123456789  draining\n");
}

TEST(Table, AlignsByColumnsNotBytes) {
  Table table({{"NAME"}, {"N", Align::kRight}});
  table.add({{"größe"}, {"1"}});
  table.add({{"模型"}, {"2"}});
  table.add({{"e\u0301"}, {"3"}});
  for (const auto& line : lines_of(table.text(false))) EXPECT_EQ(columns(line), 8U) << line;
}

TEST(Table, LeavesOutAnOptionalColumnWithoutCells) {
  const auto text_with = [](const std::string& note) {
    Table table({{"NAME"}, {"NOTE", Align::kLeft, 40, true}});
    table.add({{"gpu-1"}, {note}});
    return table.text(false);
  };
  EXPECT_EQ(text_with(""), "NAME\ngpu-1\n");
  EXPECT_EQ(text_with("drained"), "NAME   NOTE\ngpu-1  drained\n");
}

TEST(Table, LinesEndWithoutSpaces) {
  Table table({{"NAME"}, {"NOTE"}});
  table.add({{"gpu-1"}, {"drained"}});
  table.add({{"gpu-2"}, {""}});
  EXPECT_EQ(lines_of(table.text(false))[2], "gpu-2");
}

TEST(Table, EscapesAndCutsCells) {
  Table table({{"NAME", Align::kLeft, 8}, {"X"}});
  table.add({{"\x1b[2Jname"}, {"1"}});
  table.add({{std::string(100'000, 'a')}, {"2"}});
  EXPECT_EQ(table.text(false),
            "NAME      X\n"
            "\\x1b[2J…  1\n"
            "aaaaaaa…  2\n");
}

TEST(Table, FillsMissingCellsAndDropsSurplusOnes) {
  Table table({{"A"}, {"B"}});
  table.add({{"1"}});
  table.add({{"1"}, {"2"}, {"3"}});
  EXPECT_EQ(table.text(false), "A  B\n1\n1  2\n");
}

TEST(Table, ColoursDoNotChangeTheAlignment) {
  Table table({{"STATE"}, {"N", Align::kRight}});
  table.add({{"up", Tone::kGood}, {"1"}});
  table.add({{"draining", Tone::kWarning}, {"12"}});
  auto coloured = table.text(true);
  EXPECT_NE(coloured.find("\x1b[32mup\x1b[0m"), std::string::npos);
  std::string bare;
  for (std::size_t i = 0; i < coloured.size(); ++i) {
    if (coloured[i] == '\x1b')
      i = coloured.find('m', i);
    else
      bare += coloured[i];
  }
  EXPECT_EQ(bare, table.text(false));
}

TEST(Table, WithoutRowsIsEmpty) {
  Table table({{"A"}});
  EXPECT_TRUE(table.empty());
  table.add({{"1"}});
  EXPECT_FALSE(table.empty());
}

TEST(Listing, AlignsValuesBehindNames) {
  Listing listing;
  listing.add("node", "edge-1");
  listing.add("generation", "7", Tone::kGood);
  EXPECT_EQ(listing.text(false), "node        edge-1\ngeneration  7\n");
  EXPECT_NE(listing.text(true).find("\x1b[32m7\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace sluice::client
