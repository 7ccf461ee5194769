// SPDX-License-Identifier: Apache-2.0
// Any bytes as words of a command line and as the daemon's answers to what completes them: every
// word that a shell is given is one that it takes for nothing else.
//
// Input: a byte for the command line that is begun, then the answer, or words by line feeds.
#include "client/completion.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace sluice::client;
using Words = std::vector<std::string>;

void require(bool holds) {
  if (!holds) std::abort();
}

// What sluicectl says by itself ("--pool", "h100=") or what is a name; bash reads them by line.
bool is_safe(std::string_view word) {
  return !word.empty() &&
         word.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/=") == word.npos;
}

void check(const Words& words, std::string_view answer) {
  const auto names = [&](NameKind kind, const NameScope& scope) {
    require(target_of(kind, scope.pool).find_first_of(" \r\n") == std::string::npos);
    return scope.file.empty() ? names_in(kind, scope.pool, answer) : Words{};
  };
  const auto found = candidates(words, names);
  if (found == Words{"!files"}) return;
  for (const auto& word : found) require(is_safe(word));
}

Words split(std::string_view text) {
  Words words(1);
  for (const char c : text)
    if (c == '\n')
      words.emplace_back();
    else
      words.back() += c;
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<Words, 8> kBegun{{{"backend", "drain", ""},
                                            {"backend", "drain", "llama", ""},
                                            {"capture", "--backend", ""},
                                            {"capture", "--service", ""},
                                            {"capture", "--verdict", ""},
                                            {"backends", "--pool", ""},
                                            {"backend", "add", "p", "n", "a", "--class", ""},
                                            {"plan", "--cold-start", ""}}};
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < 128)
    check(kBegun[data[0] % kBegun.size()], rest);
  else
    check(split(rest), R"json({"pools": [{"name": "$(x)"}, {"name": "llama"}]})json");
  return 0;
}
