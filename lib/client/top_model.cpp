// SPDX-License-Identifier: Apache-2.0
#include "client/top_model.hpp"

#include "base/nearest.hpp"
#include "client/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace sluice::client {
namespace {

constexpr std::size_t kLongestFilter = 60;
constexpr std::size_t kMostRows = 100'000;
constexpr std::array<std::string_view, kTopViews> kViews{"backends", "services", "workers"};

const std::vector<Column>& header_of(TopView view) {
  static const auto number = [](const char* title) { return Column{title, Align::kRight}; };
  static const std::array<std::vector<Column>, kTopViews> headers{
      std::vector<Column>{{"POOL"},
                          {"BACKEND"},
                          {"STATE"},
                          number("WEIGHT"),
                          number("SLOTS"),
                          number("PACKETS/S"),
                          number("BIT/S"),
                          number("FLOWS/S"),
                          number("ACTIVE")},
      std::vector<Column>{{"SERVICE"},
                          {"ADDRESS"},
                          {"POOL"},
                          number("UP"),
                          number("PACKETS/S"),
                          number("BIT/S"),
                          number("FLOWS/S")},
      std::vector<Column>{number("WORKER"), number("LCORE"), number("BUSY"), number("PACKETS/S"),
                          number("PER BURST"), number("CYCLES"), number("FLOWS")}};
  return headers[static_cast<std::size_t>(view)];
}

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool holds(std::string_view text, std::string_view part) {
  if (part.size() > text.size()) return false;
  for (std::size_t i = 0; i + part.size() <= text.size(); ++i)
    if (same_letters(text.substr(i, part.size()), part)) return true;
  return false;
}

constexpr std::array<std::string_view, 9> kHelp{
    "1 2 3 Tab   backends, services, workers",
    "s S         sort by the next column, the one before; < > too",
    "r           the other way round",
    "/           show only lines with a text; Enter ends it, Escape takes it away",
    "p Space     pause, go on",
    "arrows, Page Up, Page Down, Home, End   move",
    "? h         this help",
    "q           quit",
    "BIT/S, PACKETS/S and FLOWS/S are those of the last look; ACTIVE are flows now"};

std::optional<TopView> view_named(std::string_view name) noexcept {
  const auto named = std::ranges::find(kViews, name.empty() ? kViews.front() : name);
  if (named == kViews.end()) return std::nullopt;
  return static_cast<TopView>(named - kViews.begin());
}

}  // namespace

std::span<const std::string_view> TopModel::views() noexcept { return kViews; }

std::vector<std::string_view> TopModel::columns(std::string_view view) {
  std::vector<std::string_view> titles;
  if (const auto named = view_named(view))
    for (const auto& column : header_of(*named)) titles.push_back(column.title);
  return titles;
}

Result<TopModel> TopModel::create(std::string_view view, std::string_view sort,
                                  std::string filter) {
  TopModel model;
  const auto named = view_named(view);
  if (!named)
    return sluice::fail(Errc::kInvalid, "--view",
                        "'{}' is none; give backends, services or workers{}", printable(view),
                        did_you_mean(view, kViews));
  model.use_view(*named);
  model.filter_ = std::move(filter);
  if (sort.empty()) return model;
  if (sort.front() == '-') {
    model.largest_first_ = false;
    sort.remove_prefix(1);
  }
  const auto titles = columns(view);
  for (std::size_t i = 0; i < titles.size(); ++i)
    if (same_letters(titles[i], sort)) model.sort_ = i;
  if (model.sort_) return model;
  return sluice::fail(Errc::kInvalid, "--sort", "'{}' is no column of this view: {}",
                      printable(sort), fmt::join(titles, ", "));
}

std::string_view TopModel::list() const noexcept { return kViews[static_cast<std::size_t>(view_)]; }

void TopModel::use_view(TopView view) {
  view_ = view;
  sort_.reset();
  largest_first_ = true;
  first_ = 0;
  rows_.clear();
  before_.clear();
  at_.reset();
}

void TopModel::fail(std::string problem) { problem_ = std::move(problem); }

TopModel::Value TopModel::rate(const std::string& name, std::size_t which, const View& counter,
                               double seconds, double factor) {
  const auto value = counter.whole();
  if (!value) return {{"?"}, {}};
  now_[name][which] = *value;
  const auto row = before_.find(name);
  if (row == before_.end() || seconds <= 0) return {{"-"}, -1.0};
  const auto last = row->second.find(which);
  if (last == row->second.end() || last->second > *value) return {{"-"}, -1.0};
  const double each = static_cast<double>(*value - last->second) * factor / seconds;
  return {{count_text(static_cast<std::uint64_t>(each + 0.5))}, each};
}

TopModel::Row TopModel::row_of(const View& item, double seconds) {
  const auto number = [](std::string text, std::optional<double> value) {
    return Value{{std::move(text)}, value};
  };
  Row row;
  switch (view_) {
    case TopView::kBackends: {
      row.name = item["pool"].text() + "/" + item["name"].text();
      const auto state = item["state"];
      row.values = {{{item["pool"].text()}, {}},
                    {{item["name"].text(), Tone::kStrong}, {}},
                    {{state.text(), tone_of_state(state)}, {}},
                    number(item["weight_now"].present() ? item["weight_now"].text(10)
                                                        : item["weight"].text(10),
                           item["weight"].real()),
                    number(item["slots_share"].share(), item["slots_share"].real()),
                    rate(row.name, 0, item["packets"], seconds, 1),
                    rate(row.name, 1, item["bytes"], seconds, 8),
                    rate(row.name, 2, item["new_flows"], seconds, 1),
                    number(item["active_flows"].count(), item["active_flows"].real())};
      break;
    }
    case TopView::kServices: {
      row.name = item["name"].text();
      const auto up = item["backends_up"];
      row.values = {{{row.name, Tone::kStrong}, {}},
                    {{item["address"].text() + " " + item["port"].text(6)}, {}},
                    {{item["pool"].text()}, {}},
                    {{up.text(8) + "/" + item["backends_total"].text(8),
                      up.whole().value_or(0) == 0 ? Tone::kBad : Tone::kGood},
                     up.real()},
                    rate(row.name, 0, item["packets"], seconds, 1),
                    rate(row.name, 1, item["bytes"], seconds, 8),
                    rate(row.name, 2, item["new_flows"], seconds, 1)};
      break;
    }
    case TopView::kWorkers: {
      row.name = item["id"].text(8);
      const auto decimal = [&](const View& value) {
        const auto real = value.real();
        return number(real ? fmt::format("{:.1f}", *real) : "?", real);
      };
      row.values = {
          number(row.name, item["id"].real()),
          number(item["lcore"].text(8), item["lcore"].real()),
          number(item["busy_ratio"].share(), item["busy_ratio"].real()),
          rate(row.name, 0, item["packets"], seconds, 1),
          decimal(item["packets_per_burst"]),
          decimal(item["cycles_per_packet"]),
          number(item["flow_cache"]["flows"].count(), item["flow_cache"]["flows"].real())};
      break;
    }
  }
  return row;
}

void TopModel::take(const View& status, const View& answer, TimePoint at) {
  if (paused_) return;
  const auto items = answer[list()].items();
  if (!items) return fail(fmt::format("the daemon's answer has no list '{}'", list()));
  problem_.clear();
  const auto backends = status["backends"];
  head_ =
      fmt::format("{}  {}  generation {}  {}/{} backends up  up {}", status["node"].text(64),
                  status["ready"].is_true() ? "ready" : "NOT READY", status["generation"].text(20),
                  backends["up"].text(8), backends["total"].text(8), status["uptime_s"].duration());
  const double seconds = at_ ? std::chrono::duration<double>(at - *at_).count() : 0;
  rows_.clear();
  now_.clear();
  for (const auto& item : *items)
    if (rows_.size() < kMostRows) rows_.push_back(row_of(item, seconds));
  before_ = std::move(now_);
  at_ = at;
}

std::vector<const TopModel::Row*> TopModel::chosen() const {
  const auto& wanted = editing_ ? *editing_ : filter_;
  std::vector<const Row*> rows;
  for (const auto& row : rows_)
    if (wanted.empty() || std::ranges::any_of(row.values, [&](const Value& value) {
          return holds(value.cell.text, wanted);
        }))
      rows.push_back(&row);
  if (!sort_) return rows;
  const auto before = [&](const Row* a, const Row* b) {
    const auto& x = a->values[*sort_];
    const auto& y = b->values[*sort_];
    if (x.number && y.number) return largest_first_ ? *x.number > *y.number : *x.number < *y.number;
    return largest_first_ ? x.cell.text > y.cell.text : x.cell.text < y.cell.text;
  };
  std::ranges::stable_sort(rows, before);
  return rows;
}

Table TopModel::table() const {
  auto header = header_of(view_);
  if (sort_) header[*sort_].title += largest_first_ ? " v" : " ^";
  Table table(std::move(header));
  for (const auto* row : chosen()) {
    std::vector<Cell> cells;
    for (const auto& value : row->values) cells.push_back(value.cell);
    table.add(std::move(cells));
  }
  return table;
}

std::string TopModel::whole(bool colour) const {
  return (head_.empty() ? "" : head_ + "\n") + table().text(colour);
}

std::vector<TopLine> TopModel::screen(std::size_t height, std::size_t width) const {
  std::vector<TopLine> lines;
  const auto add = [&](std::string_view text, Tone tone) {
    lines.push_back({width == 0 ? std::string() : clip(text, width), tone});
  };
  add(problem_.empty() ? head_ : printable(problem_),
      problem_.empty() ? Tone::kStrong : Tone::kBad);
  if (editing_)
    add("filter: " + printable(*editing_) + "_", Tone::kWarning);
  else
    add(fmt::format("{}{}{}", list(), filter_.empty() ? "" : ", with '" + printable(filter_) + "'",
                    paused_ ? ", PAUSED" : ""),
        paused_ ? Tone::kWarning : Tone::kPlain);
  if (help_) {
    for (const auto line : kHelp) add(line, Tone::kPlain);
  } else {
    const auto rows = chosen();
    std::istringstream text(table().text(false));
    std::string line;
    std::getline(text, line);
    add(line, Tone::kFaint);
    const auto first = std::min(first_, rows.empty() ? 0 : rows.size() - 1);
    for (std::size_t i = 0; lines.size() < height && std::getline(text, line); ++i) {
      if (i < first) continue;
      const auto& values = rows[i]->values;
      const auto worst = std::ranges::find_if(values, [](const Value& value) {
        return value.cell.tone == Tone::kBad || value.cell.tone == Tone::kWarning;
      });
      add(line, worst == values.end() ? Tone::kPlain : worst->cell.tone);
    }
  }
  lines.resize(height);
  if (height > 3 && lines.back().text.empty())
    lines.back() = {clip("q quit  ? help", std::max<std::size_t>(width, 1)), Tone::kFaint};
  return lines;
}

bool TopModel::edit(KeyPress key) {
  switch (key.key) {
    case Key::kCharacter:
      if (editing_->size() < kLongestFilter) *editing_ += key.character;
      break;
    case Key::kBackspace:
      if (!editing_->empty()) editing_->pop_back();
      break;
    case Key::kEnter:
      filter_ = *editing_;
      editing_.reset();
      break;
    case Key::kEscape:
      filter_.clear();
      editing_.reset();
      break;
    default:
      break;
  }
  first_ = 0;
  return true;
}

void TopModel::scroll(KeyPress key) {
  constexpr std::size_t kPage = 10;
  const auto last = rows_.empty() ? 0 : rows_.size() - 1;
  const auto up = [&](std::size_t by) { first_ -= std::min(first_, by); };
  if (key.key == Key::kUp) up(1);
  if (key.key == Key::kPageUp) up(kPage);
  if (key.key == Key::kDown) first_ = std::min(last, first_ + 1);
  if (key.key == Key::kPageDown) first_ = std::min(last, first_ + kPage);
  if (key.key == Key::kHome) first_ = 0;
  if (key.key == Key::kEnd) first_ = last;
}

bool TopModel::press(KeyPress key) {
  if (editing_) return edit(key);
  const auto columns = header_of(view_).size();
  const auto next = [&](std::size_t by) {
    sort_ = sort_ ? (*sort_ + by) % columns : by == 1 ? 0 : columns - 1;
  };
  if (key.key == Key::kEscape) {
    help_ = false;
    filter_.clear();
  }
  if (key.key == Key::kLeft) next(columns - 1);
  if (key.key == Key::kRight) next(1);
  if (key.key == Key::kTab)
    use_view(static_cast<TopView>((static_cast<std::size_t>(view_) + 1) % kTopViews));
  scroll(key);
  if (key.key != Key::kCharacter) return true;
  switch (key.character) {
    case 'q':
    case 'Q':
      return false;
    case '1':
    case '2':
    case '3':
      use_view(static_cast<TopView>(key.character - '1'));
      break;
    case 's':
    case '>':
      next(1);
      break;
    case 'S':
    case '<':
      next(columns - 1);
      break;
    case 'r':
      largest_first_ = !largest_first_;
      break;
    case '/':
      editing_ = filter_;
      break;
    case 'p':
    case ' ':
      paused_ = !paused_;
      break;
    case '?':
    case 'h':
      help_ = !help_;
      break;
    default:
      break;
  }
  return true;
}

}  // namespace sluice::client
