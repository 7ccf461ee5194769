// SPDX-License-Identifier: Apache-2.0
#include "plan/trace.hpp"

#include "base/file.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace sluice::plan {
namespace {

constexpr std::size_t kMostColumns = 1000;
constexpr std::size_t kLongestShown = 40;  // of a field in a message
constexpr std::size_t kMostStep = 86'400;  // seconds of an interval

// A field as a message may show it: whatever a terminal would act on is left out.
std::string shown(std::string_view field) {
  std::string text = "'";
  for (const char c : field.substr(0, kLongestShown)) text += c >= 0x20 && c < 0x7f ? c : '?';
  return text + (field.size() > kLongestShown ? "...'" : "'");
}

class TraceReader {
 public:
  TraceReader(std::string_view text, std::string_view name) : text_(text), name_(name) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);  // some spreadsheets' mark
  }

  Result<Trace> read() {
    if (auto header = read_header(); !header) return forward_error(header);
    Trace trace;
    std::optional<std::int64_t> before;
    while (next_line()) {
      const auto at = read_time();
      if (!at) return forward_error(at);
      const auto requests = read_requests();
      if (!requests) return forward_error(requests);
      if (before)
        if (auto even = check_step(trace, *before, *at); !even) return forward_error(even);
      before = *at;
      trace.requests.push_back(*requests);
      if (trace.seconds() > kLongestTrace)
        return refuse("the trace is longer than {} days", kLongestTrace / 86'400);
    }
    if (trace.requests.size() < 2)
      return refuse("a trace has two intervals at least, this one has {}", trace.requests.size());
    return trace;
  }

 private:
  template <class... A>
  [[nodiscard]] tl::unexpected<Error> refuse(fmt::format_string<A...> what, A&&... args) const {
    return fail(Errc::kInvalid, fmt::format("{}: line {}", name_, line_number_), what,
                std::forward<A>(args)...);
  }

  // Takes the next line that is not empty. @return false at the end of the text.
  bool next_line() {
    while (!text_.empty()) {
      const auto end = std::min(text_.find('\n'), text_.size());
      line_ = text_.substr(0, end);
      text_.remove_prefix(std::min(end + 1, text_.size()));
      ++line_number_;
      if (line_.ends_with('\r')) line_.remove_suffix(1);
      if (!line_.empty()) return true;
    }
    return false;
  }

  Result<void> read_header() {
    if (!next_line()) return refuse("is empty; a header with t_seconds and requests comes first");
    for (std::size_t column = 0;; ++column) {
      if (column == kMostColumns) return refuse("has more than {} columns", kMostColumns);
      const auto name = field(column);
      if (!name) break;
      if (*name == "t_seconds" && !time_column_) time_column_ = column;
      if (*name == "requests" && !requests_column_) requests_column_ = column;
    }
    if (!time_column_) return refuse("has no column t_seconds");
    if (!requests_column_) return refuse("has no column requests");
    return {};
  }

  // The `column`-th field of the line, without its quotes; a quote inside a field stays as it is:
  // no number has one.
  [[nodiscard]] std::optional<std::string_view> field(std::size_t column) const {
    std::string_view rest = line_;
    for (std::size_t i = 0;; ++i) {
      std::size_t end = 0;
      if (rest.starts_with('"')) {
        end = rest.find('"', 1);
        end = end == rest.npos ? rest.size() : std::min(rest.find(',', end), rest.size());
      } else {
        end = std::min(rest.find(','), rest.size());
      }
      if (i == column) {
        auto text = rest.substr(0, end);
        if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"'))
          text = text.substr(1, text.size() - 2);
        while (text.starts_with(' ')) text.remove_prefix(1);
        while (text.ends_with(' ')) text.remove_suffix(1);
        return text;
      }
      if (end == rest.size()) return std::nullopt;
      rest.remove_prefix(end + 1);
    }
  }

  Result<double> read_number(std::size_t column, std::string_view title) const {
    const auto text = field(column);
    if (!text) return refuse("has no field for {}", title);
    double value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size() || !std::isfinite(value))
      return refuse("{} is {}, not a number", title, shown(*text));
    return value;
  }

  Result<std::int64_t> read_time() const {
    const auto value = read_number(*time_column_, "t_seconds");
    if (!value) return forward_error(value);
    if (*value < 0 || *value > 1e12 || *value != std::floor(*value))
      return refuse("t_seconds is {}, not a whole number of seconds from 0 to 1e12", *value);
    return static_cast<std::int64_t>(*value);
  }

  Result<double> read_requests() const {
    auto value = read_number(*requests_column_, "requests");
    if (value && (*value < 0 || *value > kMostRequests))
      return refuse("requests is {}, not a number from 0 to {:g}", *value, kMostRequests);
    return value;
  }

  // The first two lines say how long an interval is; every other line must keep to it.
  Result<void> check_step(Trace& trace, std::int64_t before, std::int64_t at) const {
    const std::int64_t step = at - before;
    if (trace.requests.size() == 1) {
      if (step < 1 || step > static_cast<std::int64_t>(kMostStep))
        return refuse("t_seconds is {} after {}: an interval lasts from 1 to {} s", at, before,
                      kMostStep);
      trace.step_s = static_cast<std::uint32_t>(step);
    } else if (step != trace.step_s) {
      return refuse(
          "t_seconds is {}, expected {}: every interval is {} s long, and none is left "
          "out; give one without requests a 0",
          at, before + trace.step_s, trace.step_s);
    }
    return {};
  }

  std::string_view text_;
  std::string_view name_;
  std::string_view line_;
  std::size_t line_number_ = 0;
  std::optional<std::size_t> time_column_;
  std::optional<std::size_t> requests_column_;
};

}  // namespace

Result<Trace> parse_trace(std::string_view text, std::string_view name) {
  return TraceReader(text, name).read();
}

Result<Trace> read_trace(const std::filesystem::path& path) {
  auto text = read_file(path, kLongestTraceText);
  if (!text) return forward_error(text);
  const auto name = path.filename().string();
  if (path.extension() == ".gz") {
    text = unpack_gzip(*text, kLongestTraceText, name);
    if (!text) return forward_error(text);
  }
  return parse_trace(*text, name);
}

}  // namespace sluice::plan
