// SPDX-License-Identifier: Apache-2.0
#include "http/credentials.hpp"

#include "base/private_file.hpp"

#include <algorithm>

namespace sluice::http {
namespace {

constexpr std::size_t kLongestFile = std::size_t{256} << 10U;

Result<std::string> read_pem(const std::string& path, Readers readers) {
  auto text = read_private_file(path, kLongestFile, readers);
  if (text &&
      (text->find("-----BEGIN ") == std::string::npos || text->find('\0') != std::string::npos))
    return fail(Errc::kInvalid, path, "is no PEM file: it has no '-----BEGIN' line");
  return text;
}

bool is_graphic(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// Looks at every byte of what was given, whatever it finds.
bool same(std::string_view given, std::string_view token) {
  unsigned different = given.size() == token.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size(); ++i)
    different |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(token[i % token.size()]);
  return different == 0;
}

}  // namespace

Result<Certificate> read_certificate(const std::string& chain_file, const std::string& key_file) {
  auto chain = read_pem(chain_file, Readers::kAnyone);
  if (!chain) return forward_error(chain);
  auto key = read_pem(key_file, Readers::kNobody);
  if (!key) return forward_error(key);
  return Certificate{std::move(*chain), std::move(*key)};
}

Result<Tokens> Tokens::read(const std::string& file) {
  const auto text = read_private_file(file, kLongestFile);
  if (!text) return forward_error(text);
  return parse(*text, file);
}

Result<Tokens> Tokens::parse(std::string_view text, const std::string& file) {
  Tokens made;
  std::size_t number = 0;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++number;
    const auto wrong = [&](std::string_view what) {
      return fail(Errc::kInvalid, file, "line {} {}", number, what);
    };
    line = line.substr(0, line.find('#'));
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    const auto gap = line.find_first_of(" \t");
    if (gap == std::string_view::npos) return wrong("is not 'NAME TOKEN'");
    const auto name = line.substr(0, gap);
    const auto token = line.substr(line.find_first_not_of(" \t", gap));
    if (!is_graphic(name) || name.size() > 64 || !is_graphic(token))
      return wrong("is not 'NAME TOKEN' of printable ASCII characters");
    if (token.size() < kShortest || token.size() > kLongest)
      return wrong(
          fmt::format("has a token of {} characters; {} to {} are allowed: openssl rand "
                      "-hex 32 makes one",
                      token.size(), kShortest, kLongest));
    if (std::ranges::find(made.tokens_, name, &Token::name) != made.tokens_.end())
      return wrong(fmt::format("has the name '{}', as a line before it has", name));
    if (made.tokens_.size() == kMost)
      return wrong(fmt::format("is one token too many; {} are allowed", kMost));
    made.tokens_.push_back({std::string(name), std::string(token)});
  }
  if (made.tokens_.empty()) return fail(Errc::kInvalid, file, "has no token; add 'NAME TOKEN'");
  return made;
}

std::optional<std::string_view> Tokens::owner(std::string_view authorization) const {
  constexpr std::string_view kScheme = "bearer ";
  const auto scheme = authorization.substr(0, kScheme.size());
  const bool bearer =
      std::ranges::equal(scheme, kScheme, [](char a, char b) { return (a | 0x20) == b; });
  if (!bearer) return std::nullopt;
  auto given = authorization.substr(kScheme.size());
  given.remove_prefix(std::min(given.find_first_not_of(' '), given.size()));
  if (given.size() > kLongest) return std::nullopt;
  const Token* found = nullptr;
  for (const auto& token : tokens_)
    if (same(given, token.text)) found = &token;
  if (found == nullptr) return std::nullopt;
  return found->name;
}

}  // namespace sluice::http
