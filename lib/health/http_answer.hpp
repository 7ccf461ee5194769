// SPDX-License-Identifier: Apache-2.0
// What a server answered by HTTP: read within bounds, and judged by a check.
//
// Threads: one at a time.
#pragma once

#include "health/probe.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::health {

/// What is read of an answer. More of a body is not waited for; more of headers is a fault.
inline constexpr std::size_t kLongestBody = 65536;
inline constexpr std::size_t kLongestHeaders = 16384;

/// The part of a body that a check needs.
class AnswerBody {
 public:
  /// @param expected  text to look for; empty: the beginning is kept for people, no more.
  explicit AnswerBody(std::string expected) noexcept : expected_(std::move(expected)) {}

  void clear();  ///< Before the next answer; gives the memory back.
  /// Takes the next bytes.
  /// @return false when the rest does not matter: the text was there, or the bound is reached.
  bool take(std::string_view part);
  [[nodiscard]] const std::string& kept() const noexcept { return kept_; }

 private:
  std::string expected_;
  std::string kept_;
  std::size_t bytes_ = 0;
};

/// What the status and that part of the body say by a check's `expect_status` and `expect_body`.
[[nodiscard]] Finding judge_http(const config::Health& check, unsigned status,
                                 std::string_view body);

/// The load that a header of an answer tells; std::nullopt: another header, or no number from 0 to
/// kMostLoad. @param line  without its line end. @param name  of the header; empty: none is meant.
[[nodiscard]] std::optional<double> load_in(std::string_view line, std::string_view name);
inline constexpr double kMostLoad = 1e9;  ///< More is no load but a fault.

/// Reads one HTTP/1 answer (RFC 9112) as it comes in, whatever the pieces; interim answers (1xx)
/// are passed over. Any bytes may come: the memory taken is bounded by what AnswerBody keeps and
/// one line of kLongestHeaders.
class HttpReader {
 public:
  enum class Progress : std::uint8_t {
    kMore,     ///< Go on.
    kWhole,    ///< All that matters is there.
    kTooLong,  ///< More headers than are read.
    kNotHttp,  ///< No HTTP/1.
    kCut,      ///< The connection ended too early.
  };

  /// @param body  lives as long; cleared by who owns it.
  /// @param load_header  name of the header that tells the load, and lives as long; empty: none.
  explicit HttpReader(AnswerBody& body, std::string_view load_header = {}) noexcept
      : body_(body), load_header_(load_header) {}

  /// The next bytes, not none. After any other result than kMore nothing is taken any more.
  Progress take(std::string_view bytes);
  Progress end();  ///< The server has closed.

  [[nodiscard]] unsigned status() const noexcept { return status_; }  ///< With kWhole.
  /// As the last header of the name told it; see load_in().
  [[nodiscard]] std::optional<double> load() const noexcept { return load_; }

 private:
  enum class At : std::uint8_t {
    kStatusLine,
    kHeaders,
    kCounted,     // a body of known length
    kUntilClose,  // a body that ends with the connection
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailers,
    kEnd,
  };

  Progress take_line(std::string_view line);
  Progress take_status(std::string_view line);
  Progress take_header(std::string_view line);
  Progress take_chunk_size(std::string_view line);
  Progress end_of_headers();
  Progress finish(Progress how);

  AnswerBody& body_;
  std::string_view load_header_;
  std::optional<double> load_;
  At at_ = At::kStatusLine;
  std::string line_;
  std::size_t header_bytes_ = 0;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  unsigned status_ = 0;
  bool counted_ = false;  // there was a Content-Length
  bool coded_ = false;    // there was a Transfer-Encoding ...
  bool chunked_ = false;  // ... and chunked was its last
  bool any_ = false;      // a byte has come
};

}  // namespace sluice::health
