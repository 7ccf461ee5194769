// SPDX-License-Identifier: Apache-2.0
#include "client/answer.hpp"

#include "client/text.hpp"
#include "client/view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace sluice::client {
namespace {

using nlohmann::json;

// Brackets inside strings do not count.
std::size_t depth_of(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

Result<void> check(std::string_view body) {
  if (depth_of(body) > kDeepestAnswer)
    return fail(Errc::kIo, "", "the daemon's answer is nested deeper than {} levels",
                kDeepestAnswer);
  if (!json::accept(body))
    return fail(Errc::kIo, "", "the daemon's answer is not JSON: '{}'",
                clip(printable(body.substr(0, 256)), 60));
  return {};
}

Errc code_of(const Answer& answer, const View& error) {
  for (const auto code : {Errc::kInvalid, Errc::kNotFound, Errc::kConflict, Errc::kExhausted,
                          Errc::kIo, Errc::kUnsupported})
    if (error["code"].is(name(code))) return code;
  return answer.status == http_status(Errc::kInvalid) ? Errc::kInvalid : Errc::kIo;
}

// The end of the string that starts at text[at], one past its quote.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.size();
}

// A string token with DEL and C1 controls (two bytes in UTF-8: 0xc2, 0x80 to 0x9f) as \u escapes.
void append_string(std::string& out, std::string_view token) {
  for (std::size_t i = 0; i < token.size(); ++i) {
    const auto byte = static_cast<unsigned char>(token[i]);
    const auto next = i + 1 < token.size() ? static_cast<unsigned char>(token[i + 1]) : 0U;
    if (byte == 0x7f) {
      out += "\\u007f";
    } else if (byte == 0xc2 && next < 0xa0) {
      out += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      out += token[i];
    }
  }
}

}  // namespace

Result<json> parse_answer(std::string_view body) {
  if (auto checked = check(body); !checked) return forward_error(checked);
  return json::parse(body, nullptr, /*allow_exceptions=*/false);
}

Result<std::string> lay_out(std::string_view body) {
  if (auto checked = check(body); !checked) return forward_error(checked);
  std::string out;
  out.reserve(body.size() * 2);
  std::size_t depth = 0;
  const auto new_line = [&] { out.append("\n").append(2 * depth, ' '); };
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    if (c == '"') {
      const auto end = end_of_string(body, i);
      append_string(out, body.substr(i, end - i));
      i = end - 1;
    } else if (c == '[' || c == '{') {
      out += c;
      const auto next = body.find_first_not_of(" \t\n\r", i + 1);
      if (body[next] == ']' || body[next] == '}') {
        out += body[next];
        i = next;
      } else {
        ++depth;
        new_line();
      }
    } else if (c == ']' || c == '}') {
      --depth;
      new_line();
      out += c;
    } else if (c == ',') {
      out += c;
      new_line();
    } else if (c == ':') {
      out += ": ";
    } else {
      out += c;
    }
  }
  return out + '\n';
}

Error refusal(const Answer& answer) {
  const auto body = parse_answer(answer.body);
  if (!body || !View(*body)["error"]["message"].is_string()) {
    const auto shown = clip(printable(answer.body.substr(0, 1024)), 200);
    return {answer.status == http_status(Errc::kInvalid) ? Errc::kInvalid : Errc::kIo, "",
            fmt::format("the daemon answered HTTP status {} with '{}'", answer.status, shown)};
  }
  const View root(*body);
  const auto error = root["error"];
  constexpr std::size_t kWidest = 1000;
  Error refused{code_of(answer, error),
                error["where"].is_string() ? error["where"].text(kWidest) : "",
                error["message"].text(kWidest)};
  if (const auto faults = root["faults"].items())
    for (const auto& fault : *faults) refused.message += "\n  " + fault.text(kWidest);
  return refused;
}

}  // namespace sluice::client
