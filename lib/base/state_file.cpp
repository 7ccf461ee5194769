// SPDX-License-Identifier: Apache-2.0
#include "base/state_file.hpp"

#include "base/file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <system_error>

namespace sluice {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 32;

// Brackets that are open at once, at most. The library writes a value by recursion, so depth has a
// limit; and it could find this out while it reads, but then takes quadratic time for long objects.
int depth_of(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\') ++at;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if (c == ']' || c == '}') --depth;
  }
  return deepest;
}

// FNV-1a.
std::string checksum_of(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return fmt::format("{:016x}", h);
}

}  // namespace

std::string put_aside(const std::filesystem::path& path) {
  for (int n = 1; n <= 9; ++n) {
    const auto beside = fmt::format("{}.damaged-{}", path.string(), n);
    std::error_code failed;
    if (n < 9 && std::filesystem::exists(beside, failed)) continue;
    std::filesystem::rename(path, beside, failed);
    return failed ? "it could not be put aside: " + failed.message() : "it is kept as " + beside;
  }
  return {};
}

std::string state_text(unsigned version, const Json& body) {
  const Json file = {{"version", version}, {"checksum", checksum_of(body.dump())}, {"body", body}};
  return file.dump(1) + "\n";
}

std::string state_text_of(unsigned version, std::string_view body) {
  return fmt::format("{{\n \"body\": {},\n \"checksum\": \"{}\",\n \"version\": {}\n}}\n", body,
                     checksum_of(body), version);
}

Result<void> parse_state(std::string_view text, unsigned version,
                         const std::function<void(const Json& body)>& take) {
  if (depth_of(text) > kDeepest)
    return fail(Errc::kInvalid, "", "cannot be understood (it is nested too deeply)");
  try {
    const auto file = Json::parse(text);
    if (file.at("version") != version)
      return fail(Errc::kUnsupported, "", "is of version {}, not {}", file.at("version").dump(),
                  version);
    const auto& body = file.at("body");
    if (file.at("checksum").get<std::string>() != checksum_of(body.dump()))
      return fail(Errc::kInvalid, "", "does not match its checksum");
    take(body);
    return {};
  } catch (const std::exception& error) {
    return fail(Errc::kInvalid, "", "cannot be understood ({})", error.what());
  }
}

std::string load_state(const std::filesystem::path& path, unsigned version,
                       const std::function<void(const Json& body)>& take) {
  const auto text = read_file(path, kLongestStateFile);
  if (!text && text.error().code == Errc::kNotFound) return {};
  if (!text) return text.error().text();
  const auto parsed = parse_state(*text, version, take);
  if (parsed) return {};
  return fmt::format("{} {}; {}", path.string(), parsed.error().message, put_aside(path));
}

Result<void> save_state(const std::filesystem::path& path, unsigned version, const Json& body) {
  return save_state_text(path, state_text(version, body));
}

Result<void> save_state_text(const std::filesystem::path& path, std::string_view text) {
  std::error_code failed;
  const auto folder = path.parent_path();
  std::filesystem::create_directories(folder, failed);
  if (failed) return fail(Errc::kIo, folder.string(), "cannot be made: {}", failed.message());
  return write_file_atomically(path, text);
}

}  // namespace sluice
