// SPDX-License-Identifier: Apache-2.0
// Reads what Prometheus scrapes: text format 0.0.4 and OpenMetrics 1.0, within bounds, as it comes
// in.
//
// Threads: one at a time.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::scrape {

// What is read of one scrape. A body or a line that is longer is not an engine's.
inline constexpr std::size_t kLongestBody = std::size_t{4} << 20U;
inline constexpr std::size_t kLongestLine = 65536;  ///< Also of comments.
inline constexpr std::size_t kMostLabels = 64;      ///< Of one sample.

/// One line's sample; the views hold until the call that hands it over returns. A histogram or a
/// summary is several: NAME_bucket, NAME_sum, NAME_count, as they are written.
struct Sample {
  std::string_view name;
  std::string_view labels = {};  ///< What stands between the braces, checked; see has_label().
  double value = 0;              ///< May be NaN or infinite.
  std::optional<double> timestamp = {};  ///< As written: ms in 0.0.4, seconds in OpenMetrics.
};

/// Whether the sample has the label, and it that value; escapes are undone on the way. Of a label
/// that is given twice the first one counts. Cost: linear in the labels' text.
[[nodiscard]] bool has_label(const Sample& sample, std::string_view name, std::string_view value);

/// Reads one line without its line end. @pre it is neither empty nor a comment.
/// @return kInvalid with what is wrong, and no place.
[[nodiscard]] Result<Sample> read_sample(std::string_view line);

/// The whole text in pieces of any size. Lines are read where they are; only one that is cut by the
/// end of a piece is copied.
///
/// A bad line is left out and told by its number, and the rest counts: one collector that writes
/// nonsense must not hide the engine's own. Lines of names that nobody wants are passed over by
/// their name alone, for most of an engine's text is histograms; what is wrong behind the name of
/// such a line is not seen. The whole is refused when it is longer than kLongestBody, has a line
/// longer than kLongestLine, ends within a line (it was cut: a number may lack digits), or has no
/// line that could be one of the format.
class ExpositionReader {
 public:
  using Wanted = std::function<bool(std::string_view name)>;
  using Taken = std::function<void(const Sample& sample)>;

  /// What became of the text.
  struct Summary {
    std::size_t lines = 0;       ///< All, comments and empty ones too.
    std::size_t samples = 0;     ///< Handed over.
    std::size_t bad = 0;         ///< Lines left out.
    std::string first_bad = {};  ///< "line 7: what is wrong"; empty: none was.
  };

  /// @param wanted  empty: every name is.
  ExpositionReader(Wanted wanted, Taken taken)
      : wanted_(std::move(wanted)), taken_(std::move(taken)) {}

  /// @return false when the rest does not matter: a bound is passed, and end() says which.
  bool take(std::string_view piece);
  /// After the last piece. @return kInvalid when the whole is refused.
  [[nodiscard]] Result<Summary> end();

 private:
  void take_line(std::string_view line);
  void bad_line(std::string_view why);
  bool refuse(std::string why);

  Wanted wanted_;
  Taken taken_;
  std::string cut_;  // the beginning of a line whose end has not come
  std::size_t bytes_ = 0;
  std::size_t plausible_ = 0;  // lines that began as a sample or a comment does
  Summary summary_;
  std::string refused_;
};

/// All of a text at once.
[[nodiscard]] Result<ExpositionReader::Summary> read_exposition(std::string_view text,
                                                                ExpositionReader::Taken taken);

}  // namespace sluice::scrape
