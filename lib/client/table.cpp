// SPDX-License-Identifier: Apache-2.0
#include "client/table.hpp"

#include "client/text.hpp"

#include <algorithm>

namespace sluice::client {
namespace {

constexpr std::string_view kGap = "  ";

std::string_view start_of(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      return "";
    case Tone::kGood:
      return "\x1b[32m";
    case Tone::kWarning:
      return "\x1b[33m";
    case Tone::kBad:
      return "\x1b[1;31m";
    case Tone::kFaint:
      return "\x1b[2m";
    case Tone::kStrong:
      return "\x1b[1m";
  }
  return "";
}

// One cell, padded; the last one of a line is not padded to the right.
std::string padded(const Cell& cell, Align align, std::size_t width, bool last, bool colour) {
  const std::string room(width - columns(cell.text), ' ');
  const auto text = toned(cell.text, cell.tone, colour);
  if (align == Align::kRight) return room + text;
  return last ? text : text + room;
}

}  // namespace

std::string toned(std::string_view text, Tone tone, bool colour) {
  if (!colour || tone == Tone::kPlain || text.empty()) return std::string(text);
  return std::string(start_of(tone)) + std::string(text) + "\x1b[0m";
}

void Table::add(std::vector<Cell> row) {
  row.resize(header_.size());
  for (std::size_t c = 0; c < row.size(); ++c)
    row[c].text = clip(printable(row[c].text), header_[c].widest);
  rows_.push_back(std::move(row));
}

std::string Table::text(bool colour) const {
  std::vector<std::size_t> shown;
  std::vector<std::size_t> width(header_.size());
  for (std::size_t c = 0; c < header_.size(); ++c) {
    const bool used =
        std::ranges::any_of(rows_, [&](const auto& row) { return !row[c].text.empty(); });
    if (header_[c].optional && !used) continue;
    shown.push_back(c);
    width[c] = columns(header_[c].title);
    for (const auto& row : rows_) width[c] = std::max(width[c], columns(row[c].text));
  }
  std::string out;
  const auto line = [&](auto&& cell_of) {
    std::string text;
    for (const auto c : shown) {
      if (c != shown.front()) text += kGap;
      text += padded(cell_of(c), header_[c].align, width[c], c == shown.back(), colour);
    }
    text.erase(text.find_last_not_of(' ') + 1);  // an empty last cell leaves the padding before it
    out += text + '\n';
  };
  line([&](std::size_t c) { return Cell{header_[c].title, Tone::kFaint}; });
  for (const auto& row : rows_) line([&](std::size_t c) -> const Cell& { return row[c]; });
  return out;
}

void Listing::add(std::string name, std::string value, Tone tone) {
  lines_.push_back({std::move(name), std::move(value), tone});
}

std::string Listing::text(bool colour) const {
  std::size_t width = 0;
  for (const auto& line : lines_) width = std::max(width, columns(line.name));
  std::string out;
  for (const auto& line : lines_) {
    const std::string room(width - columns(line.name), ' ');
    out += toned(line.name, Tone::kFaint, colour) + room + std::string(kGap) +
           toned(line.value, line.tone, colour) + '\n';
  }
  return out;
}

}  // namespace sluice::client
