// SPDX-License-Identifier: Apache-2.0
// A table on a terminal: columns as wide as what stands in them, numbers to the right.
//
// Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::client {

/// How a word looks where colours are wanted. The word itself always says the same without them.
enum class Tone : std::uint8_t { kPlain, kGood, kWarning, kBad, kFaint, kStrong };

/// `text` in the colours of `tone`, or as it is when `colour` is false.
[[nodiscard]] std::string toned(std::string_view text, Tone tone, bool colour);

enum class Align : std::uint8_t { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  std::size_t widest = 40;  ///< Longer cells are cut to this many columns.
  bool optional = false;    ///< Left out where every cell is empty.
};

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
};

class Table {
 public:
  explicit Table(std::vector<Column> header) : header_(std::move(header)) {}

  /// Adds a row. Cells are escaped by printable(); missing ones are empty, surplus ones left out.
  void add(std::vector<Cell> row);

  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

  /// Title line and rows, each ended by a line feed, two spaces between columns, none at the end.
  [[nodiscard]] std::string text(bool colour) const;

 private:
  std::vector<Column> header_;
  std::vector<std::vector<Cell>> rows_;
};

/// "name   value" lines: values aligned behind names, continued lines indented.
class Listing {
 public:
  void add(std::string name, std::string value, Tone tone = Tone::kPlain);
  [[nodiscard]] std::string text(bool colour) const;

 private:
  struct Line {
    std::string name;
    std::string value;
    Tone tone;
  };
  std::vector<Line> lines_;
};

}  // namespace sluice::client
