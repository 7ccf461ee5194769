// SPDX-License-Identifier: Apache-2.0
// What the TCP listener of the admin API is trusted by, and whom it trusts: a certificate with its
// key, and bearer tokens, both in files.
//
// Threads: slow path; files are read when asked for and after a reload, never for a request.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {

struct Certificate {
  std::string chain;  ///< PEM: the node's own first.
  std::string key;    ///< PEM.

  friend bool operator==(const Certificate&, const Certificate&) = default;
};

/// Both files; whether they belong together is for who uses them.
/// @return kInvalid (a key that others may read, no PEM, too long), kNotFound, kIo.
[[nodiscard]] Result<Certificate> read_certificate(const std::string& chain_file,
                                                   const std::string& key_file);

/// Bearer tokens by name: one a line, "NAME TOKEN"; "#" begins a comment.
class Tokens {
 public:
  static constexpr std::size_t kShortest = 16;  ///< Of a token, in characters.
  static constexpr std::size_t kLongest = 512;
  static constexpr std::size_t kMost = 64;

  /// @return kInvalid with the line (others may read it, a token is too short, a name comes twice,
  ///         there is none), kNotFound, kIo.
  [[nodiscard]] static Result<Tokens> read(const std::string& file);
  [[nodiscard]] static Result<Tokens> parse(std::string_view text, const std::string& file);

  /// Whose token an Authorization header ("Bearer ...") carries; std::nullopt: nobody's. The time
  /// it takes says nothing of the tokens but how many and how long they are.
  [[nodiscard]] std::optional<std::string_view> owner(std::string_view authorization) const;

 private:
  struct Token {
    std::string name;
    std::string text;
  };
  std::vector<Token> tokens_;
};

}  // namespace sluice::http
