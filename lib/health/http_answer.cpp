// SPDX-License-Identifier: Apache-2.0
#include "health/http_answer.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace sluice::health {
namespace {

constexpr std::size_t kQuoted = 80;             // bytes of a body that are shown
constexpr std::size_t kLongestChunkLine = 256;  // its size, and extensions that nobody uses
constexpr std::string_view kVersion = "HTTP/1.";

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::uint64_t> number(std::string_view digits, int base) {
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stopped, wrong] = std::from_chars(digits.data(), end, value, base);
  if (digits.empty() || wrong != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

}  // namespace

void AnswerBody::clear() {
  kept_ = {};
  bytes_ = 0;
}

bool AnswerBody::take(std::string_view part) {
  const std::size_t before = kept_.size();
  const std::size_t keep = expected_.empty() ? kQuoted : kLongestBody;
  bytes_ += part.size();
  kept_.append(part.substr(0, std::min(part.size(), keep - before)));
  if (bytes_ >= kLongestBody) return false;
  if (expected_.empty()) return true;
  const std::size_t overlap = std::min(before, expected_.size() - 1);
  return kept_.find(expected_, before - overlap) == std::string::npos;
}

Finding judge_http(const config::Health& check, unsigned status, std::string_view body) {
  const auto shown = [&] { return clean(body.substr(0, kQuoted), kQuoted); };
  if (!config::accepts_status(check.expect_status, status))
    return {Fault::kStatus, fmt::format("HTTP {} {}", status, shown())};
  if (!check.expect_body.empty() && body.find(check.expect_body) == std::string_view::npos)
    return {Fault::kBody, fmt::format("HTTP {} without the expected text: {}", status, shown())};
  return {Fault::kNone, fmt::format("HTTP {}", status)};
}

std::optional<double> load_in(std::string_view line, std::string_view name) {
  if (name.empty() || line.size() <= name.size() || line[name.size()] != ':' ||
      !same(line.substr(0, name.size()), name))
    return std::nullopt;
  const std::string_view text = trimmed(line.substr(name.size() + 1));
  double load = 0;
  const auto [stopped, wrong] = std::from_chars(text.data(), text.data() + text.size(), load);
  if (wrong != std::errc{} || stopped != text.data() + text.size()) return std::nullopt;
  if (!(load >= 0 && load <= kMostLoad)) return std::nullopt;  // NaN, too
  return load;
}

HttpReader::Progress HttpReader::finish(Progress how) {
  at_ = At::kEnd;
  return how;
}

HttpReader::Progress HttpReader::take(std::string_view bytes) {
  any_ |= !bytes.empty();
  Progress progress = Progress::kMore;
  while (!bytes.empty() && at_ != At::kEnd) {
    if (at_ == At::kCounted || at_ == At::kUntilClose || at_ == At::kChunk) {
      const std::size_t n =
          at_ == At::kUntilClose
              ? bytes.size()
              : static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      if (!body_.take(bytes.substr(0, n))) return finish(Progress::kWhole);
      bytes.remove_prefix(n);
      if (at_ == At::kUntilClose || (left_ -= n) != 0) continue;
      if (at_ == At::kCounted) return finish(Progress::kWhole);
      at_ = At::kChunkEnd;
      continue;
    }
    const std::size_t end = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
    const bool in_chunks = at_ == At::kChunkSize || at_ == At::kChunkEnd;
    line_.append(bytes.substr(0, end));
    bytes.remove_prefix(end);
    if (!in_chunks && (header_bytes_ += end) > kLongestHeaders) return finish(Progress::kTooLong);
    if (in_chunks && line_.size() > kLongestChunkLine) return finish(Progress::kNotHttp);
    // Seen at once, not when a line ends: another protocol may never end one.
    if (at_ == At::kStatusLine && !line_.starts_with(kVersion.substr(0, line_.size())))
      return finish(Progress::kNotHttp);
    if (!line_.ends_with('\n')) continue;
    progress = take_line(trimmed(std::string_view(line_).substr(0, line_.size() - 1)));
    line_.clear();
    if (progress != Progress::kMore) return finish(progress);
  }
  return progress;
}

HttpReader::Progress HttpReader::take_line(std::string_view line) {
  switch (at_) {
    case At::kStatusLine:
      return take_status(line);
    case At::kHeaders:
      return line.empty() ? end_of_headers() : take_header(line);
    case At::kChunkSize:
      return take_chunk_size(line);
    case At::kChunkEnd:
      at_ = At::kChunkSize;
      return line.empty() ? Progress::kMore : Progress::kNotHttp;
    default:  // trailers
      return line.empty() ? Progress::kWhole : Progress::kMore;
  }
}

// "HTTP/1.1 200 OK": the reason may be missing, and its blank with it.
HttpReader::Progress HttpReader::take_status(std::string_view line) {
  constexpr std::size_t kDigits = kVersion.size() + 2;
  if (line.size() < kDigits + 3 || !line.starts_with(kVersion) || line[kDigits - 1] != ' ' ||
      (line.size() > kDigits + 3 && line[kDigits + 3] != ' '))
    return Progress::kNotHttp;
  const auto status = number(line.substr(kDigits, 3), 10);
  if (!status || *status < 100) return Progress::kNotHttp;
  status_ = static_cast<unsigned>(*status);
  counted_ = coded_ = chunked_ = false;
  load_.reset();
  left_ = 0;
  at_ = At::kHeaders;
  return Progress::kMore;
}

HttpReader::Progress HttpReader::take_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Progress::kMore;
  if (!load_header_.empty() && same(line.substr(0, colon), load_header_))
    load_ = load_in(line, load_header_);
  const std::string_view value = trimmed(line.substr(colon + 1));
  line = line.substr(0, colon);
  if (same(line, "Content-Length")) {
    const auto length = number(value, 10);
    if (!length || (counted_ && *length != left_)) return Progress::kNotHttp;
    counted_ = true;
    left_ = *length;
  } else if (same(line, "Transfer-Encoding")) {
    coded_ = true;
    chunked_ = same(trimmed(value.substr(value.rfind(',') + 1)), "chunked");
  }
  return Progress::kMore;
}

HttpReader::Progress HttpReader::end_of_headers() {
  if (status_ < 200 && status_ != 101) {
    at_ = At::kStatusLine;
    return Progress::kMore;
  }
  if (status_ == 101 || status_ == 204 || status_ == 304) return Progress::kWhole;
  if (coded_) {  // whatever the length says (RFC 9112, section 6.3)
    at_ = chunked_ ? At::kChunkSize : At::kUntilClose;
  } else if (counted_) {
    at_ = At::kCounted;
    if (left_ == 0) return Progress::kWhole;
  } else {
    at_ = At::kUntilClose;
  }
  return Progress::kMore;
}

HttpReader::Progress HttpReader::take_chunk_size(std::string_view line) {
  const auto size = number(trimmed(line.substr(0, line.find(';'))), 16);
  if (!size) return Progress::kNotHttp;
  left_ = *size;
  at_ = left_ == 0 ? At::kTrailers : At::kChunk;
  return Progress::kMore;
}

HttpReader::Progress HttpReader::end() {
  return finish(at_ == At::kUntilClose ? Progress::kWhole : Progress::kCut);
}

}  // namespace sluice::health
