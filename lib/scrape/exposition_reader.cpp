// SPDX-License-Identifier: Apache-2.0
#include "scrape/exposition_reader.hpp"

#include <charconv>
#include <cmath>
#include <utility>

namespace sluice::scrape {
namespace {

constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// The name that `text` begins with; empty when it begins with none.
std::string_view take_name(std::string_view& text, bool colons) {
  std::size_t n = 0;
  while (n < text.size() &&
         (is_letter(text[n]) || (colons && text[n] == ':') || (n != 0 && is_digit(text[n]))))
    ++n;
  const auto name = text.substr(0, n);
  text.remove_prefix(n);
  return name;
}

// A quoted value without its quotes, escapes left as they are; std::nullopt when it does not end.
std::optional<std::string_view> take_quoted(std::string_view& text) {
  if (!text.starts_with('"')) return std::nullopt;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
      if (at == text.size() || (text[at] != '\\' && text[at] != '"' && text[at] != 'n'))
        return std::nullopt;
    } else if (text[at] == '"') {
      const auto value = text.substr(1, at - 1);
      text.remove_prefix(at + 1);
      return value;
    }
  }
  return std::nullopt;
}

// One `name="value"` of a list, and the comma behind it.
struct Label {
  std::string_view name;
  std::string_view value;  // escaped
};
std::optional<Label> take_label(std::string_view& text) {
  skip_blanks(text);
  Label label;
  label.name = take_name(text, /*colons=*/false);
  skip_blanks(text);
  if (label.name.empty() || !text.starts_with('=')) return std::nullopt;
  text.remove_prefix(1);
  skip_blanks(text);
  const auto value = take_quoted(text);
  if (!value) return std::nullopt;
  label.value = *value;
  skip_blanks(text);
  if (text.starts_with(',')) {
    text.remove_prefix(1);
    skip_blanks(text);
  } else if (!text.empty() && text.front() != '}') {
    return std::nullopt;
  }
  return label;
}

// Whether an escaped value means `plain`.
bool means(std::string_view escaped, std::string_view plain) {
  std::size_t at = 0;
  for (const char c : plain) {
    if (at == escaped.size()) return false;
    char meant = escaped[at++];
    if (meant == '\\') {  // checked: something follows
      meant = escaped[at++];
      if (meant == 'n') meant = '\n';
    }
    if (meant != c) return false;
  }
  return at == escaped.size();
}

// Go's spelling of numbers, as far as exporters use it: signs, exponents, Inf, NaN.
std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, wrong] = std::from_chars(text.data(), end, value);
  if (text.empty() || wrong != std::errc{} || stopped != end) return std::nullopt;
  if (std::isnan(value)) {
    // "nan(1)" is C's alone.
    if (text.size() != 3) return std::nullopt;
  }
  return value;
}

std::string_view take_word(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && !is_blank(text[n])) ++n;
  const auto word = text.substr(0, n);
  text.remove_prefix(n);
  return word;
}

tl::unexpected<Error> wrong(std::string_view what) { return fail(Errc::kInvalid, "", "{}", what); }

// Moves `text` behind the closing brace. @return what is wrong; empty: nothing.
std::string_view check_labels(std::string_view& text) {
  skip_blanks(text);
  for (std::size_t count = 0; !text.starts_with('}'); ++count) {
    if (text.empty()) return "the labels do not end";
    if (count == kMostLabels) return "more than 64 labels";
    if (!take_label(text)) return "a label that is not NAME=\"VALUE\"";
  }
  return {};
}

}  // namespace

bool has_label(const Sample& sample, std::string_view name, std::string_view value) {
  std::string_view rest = sample.labels;
  while (!rest.empty()) {
    const auto label = take_label(rest);
    if (!label) return false;
    if (label->name == name) return means(label->value, value);
  }
  return false;
}

Result<Sample> read_sample(std::string_view line) {
  Sample sample;
  skip_blanks(line);
  sample.name = take_name(line, /*colons=*/true);
  if (sample.name.empty()) return wrong("no metric's name at its beginning");
  skip_blanks(line);
  if (line.starts_with('{')) {
    line.remove_prefix(1);
    skip_blanks(line);
    sample.labels = line;
    if (const auto what = check_labels(line); !what.empty()) return wrong(what);
    sample.labels.remove_suffix(line.size());
    line.remove_prefix(1);
  } else if (line.data() == sample.name.data() + sample.name.size()) {
    return wrong(line.empty() ? "no value" : "no blank behind the name");
  }
  skip_blanks(line);
  const auto value = number(take_word(line));
  if (!value) return wrong("no number as its value");
  sample.value = *value;
  skip_blanks(line);
  if (!line.empty() && line.front() != '#') {
    sample.timestamp = number(take_word(line));
    if (!sample.timestamp || !std::isfinite(*sample.timestamp))
      return wrong("no number as its time");
    skip_blanks(line);
  }
  // OpenMetrics lets an exemplar follow; it says nothing of the load.
  if (!line.empty() && !line.starts_with("# {")) return wrong("more behind its value and time");
  return sample;
}

void ExpositionReader::bad_line(std::string_view why) {
  if (summary_.bad++ == 0) summary_.first_bad = fmt::format("line {}: {}", summary_.lines, why);
}

bool ExpositionReader::refuse(std::string why) {
  refused_ = std::move(why);
  cut_ = {};
  return false;
}

void ExpositionReader::take_line(std::string_view line) {
  ++summary_.lines;
  if (line.ends_with('\r')) line.remove_suffix(1);
  skip_blanks(line);
  if (line.empty()) return;
  if (line.front() == '#') {
    ++plausible_;
    return;
  }
  auto rest = line;
  const auto name = take_name(rest, /*colons=*/true);
  const bool begins =
      !name.empty() && (rest.starts_with('{') || rest.starts_with(' ') || rest.starts_with('\t'));
  if (begins) ++plausible_;
  if (begins && wanted_ && !wanted_(name)) return;
  const auto sample = read_sample(line);
  if (!sample) return bad_line(sample.error().message);
  ++summary_.samples;
  taken_(*sample);
}

bool ExpositionReader::take(std::string_view piece) {
  if (!refused_.empty()) return false;
  bytes_ += piece.size();
  if (bytes_ > kLongestBody)
    return refuse(fmt::format("more than the {} bytes that are read", kLongestBody));
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    const auto part = piece.substr(0, end);
    if (cut_.size() + part.size() > kLongestLine)
      return refuse(
          fmt::format("line {} is longer than {} bytes", summary_.lines + 1, kLongestLine));
    if (end == std::string_view::npos) {
      cut_.append(part);
      return true;
    }
    if (cut_.empty()) {
      take_line(part);
    } else {
      cut_.append(part);
      take_line(cut_);
      cut_.clear();
    }
    piece.remove_prefix(end + 1);
  }
  return true;
}

Result<ExpositionReader::Summary> ExpositionReader::end() {
  // "# EOF" ends OpenMetrics, with a line end or without.
  if (refused_.empty() && cut_ == "# EOF") {
    take_line(cut_);
    cut_.clear();
  }
  if (refused_.empty() && !cut_.empty())
    (void)refuse(fmt::format("ends within line {}", summary_.lines + 1));
  if (refused_.empty() && bytes_ == 0) (void)refuse("is empty");
  if (refused_.empty() && plausible_ == 0) (void)refuse("no line of it is a metric's");
  if (!refused_.empty()) return fail(Errc::kInvalid, "", "{}", refused_);
  return summary_;
}

Result<ExpositionReader::Summary> read_exposition(std::string_view text,
                                                  ExpositionReader::Taken taken) {
  ExpositionReader reader({}, std::move(taken));
  (void)reader.take(text);
  return reader.end();
}

}  // namespace sluice::scrape
