// SPDX-License-Identifier: Apache-2.0
#include "http/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace sluice::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Takes the first part off a list.
std::string_view take(std::string_view& list, char separator) {
  const auto end = std::min(list.find(separator), list.size());
  const auto part = trimmed(list.substr(0, end));
  list.remove_prefix(std::min(end + 1, list.size()));
  return part;
}

// "q=0", "q=0.00": not at all. Any other digit than 0 in it: some.
bool refuses(std::string_view weight) {
  if (weight.size() < 3 || !same_word(weight.substr(0, 2), "q=")) return false;
  return weight.find_first_of("123456789") == std::string_view::npos;
}

bool has_tag(std::string_view if_none_match, std::string_view tag) {
  while (!if_none_match.empty()) {
    auto one = take(if_none_match, ',');
    if (one == "*") return true;
    if (one.starts_with("W/")) one.remove_prefix(2);  // a proxy has packed it
    if (one.size() == tag.size() + 2 && one.front() == '"' && one.back() == '"' &&
        one.substr(1, tag.size()) == tag)
      return true;
  }
  return false;
}

}  // namespace

bool takes_gzip(std::string_view accept_encoding) noexcept {
  bool any = false;  // "*" stands for what is not named
  while (!accept_encoding.empty()) {
    auto one = take(accept_encoding, ',');
    const auto name = take(one, ';');
    const bool takes = !refuses(trimmed(one));
    if (same_word(name, "gzip")) return takes;
    if (name == "*") any = takes;
  }
  return any;
}

Answer answer(const Page& page, const Request& request) {
  if (request.method != "GET") {
    auto refused = refusal(405, "method_not_allowed", request.path, "is a page: it takes GET");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    return refused;
  }
  const bool packed = takes_gzip(request.accept_encoding);
  // Two representations of one page have two tags.
  const auto tag = fmt::format("{}{}", page.tag, packed ? "-gzip" : "");
  Response made;
  made.content_type = "text/html; charset=utf-8";
  made.headers = {{"ETag", fmt::format("\"{}\"", tag)},
                  {"Cache-Control", "no-cache"},  // kept, and asked about each time
                  {"Vary", "Accept-Encoding"},
                  {"Content-Security-Policy", std::string(page.policy)},
                  {"Referrer-Policy", "no-referrer"},
                  {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (has_tag(request.if_none_match, tag)) {
    made.status = 304;
    return made;
  }
  if (packed) made.headers.emplace_back("Content-Encoding", "gzip");
  made.body = packed ? page.packed : page.plain;
  return made;
}

}  // namespace sluice::http
