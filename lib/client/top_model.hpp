// SPDX-License-Identifier: Apache-2.0
// What `top` shows and does at each key, without a terminal: answers and keys in, lines out.
//
// Threads: values.
#pragma once

#include "base/result.hpp"
#include "client/table.hpp"
#include "client/text.hpp"
#include "client/view.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::client {

enum class TopView : std::uint8_t { kBackends, kServices, kWorkers };
inline constexpr std::size_t kTopViews = 3;

/// A key: a printable character as itself, or one of these.
enum class Key : std::uint8_t {
  kNone,
  kCharacter,
  kUp,
  kDown,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kLeft,
  kRight,
  kTab,
  kEnter,
  kEscape,
  kBackspace,
};
struct KeyPress {
  Key key = Key::kNone;
  char character = 0;
};

struct TopLine {
  std::string text;
  Tone tone = Tone::kPlain;
};

class TopModel {
 public:
  /// @param view  "backends" (also when empty), "services" or "workers".
  /// @param sort  a column's title, whatever its case, with '-' in front for smallest first; empty:
  ///   as the daemon lists them.
  /// @return kInvalid with what was meant, perhaps.
  [[nodiscard]] static Result<TopModel> create(std::string_view view, std::string_view sort,
                                               std::string filter);

  /// What `view` and `sort` may be.
  [[nodiscard]] static std::span<const std::string_view> views() noexcept;
  /// @return titles of that view's columns; none of a view that there is not.
  [[nodiscard]] static std::vector<std::string_view> columns(std::string_view view);

  /// Path and list of the answer that the view needs: "/backends" and "backends".
  [[nodiscard]] std::string_view list() const noexcept;

  /// Takes answers to /status and to that path. Rates are against those taken before; a counter
  /// that went back (the daemon was restarted) has none. While paused nothing is taken.
  void take(const View& status, const View& answer, TimePoint at);
  /// The daemon did not answer: said in the first line; what was there stays.
  void fail(std::string problem);

  /// @return false: the user wants to quit.
  bool press(KeyPress key);

  /// Exactly `height` lines of at most `width` columns, whatever these are; 0 gives none.
  [[nodiscard]] std::vector<TopLine> screen(std::size_t height, std::size_t width) const;
  /// All lines, as a table.
  [[nodiscard]] std::string whole(bool colour) const;

  [[nodiscard]] bool paused() const noexcept { return paused_; }

 private:
  struct Value {
    Cell cell;
    std::optional<double> number = {};  ///< What it is sorted by; absent: its text.
  };
  struct Row {
    std::string name;  ///< Tells it from others over time.
    std::vector<Value> values;
  };
  using Counters = std::array<std::uint64_t, 3>;

  TopModel() = default;
  void use_view(TopView view);
  void take_rows(const std::vector<View>& items, double seconds);
  [[nodiscard]] Row row_of(const View& item, double seconds);
  [[nodiscard]] Value rate(const std::string& name, std::size_t which, const View& counter,
                           double seconds, double factor);
  [[nodiscard]] std::vector<const Row*> chosen() const;
  [[nodiscard]] Table table() const;
  bool edit(KeyPress key);
  void scroll(KeyPress key);

  TopView view_ = TopView::kBackends;
  std::optional<std::size_t> sort_;
  bool largest_first_ = true;
  std::string filter_;
  std::optional<std::string> editing_;  ///< A filter that is being typed.
  bool paused_ = false;
  bool help_ = false;
  std::size_t first_ = 0;  ///< Line of the list at the top.
  std::string head_;
  std::string problem_;
  std::vector<Row> rows_;
  std::map<std::string, std::map<std::size_t, std::uint64_t>> before_;
  std::map<std::string, std::map<std::size_t, std::uint64_t>> now_;
  std::optional<TimePoint> at_;
};

}  // namespace sluice::client
