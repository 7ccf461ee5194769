// SPDX-License-Identifier: Apache-2.0
#include "config/documents.hpp"

#include "base/file.hpp"

#include <nlohmann/json.hpp>

namespace sluice::config {
namespace {

using Json = nlohmann::ordered_json;

std::string read(const std::string& file) {
  return read_file(SLUICE_TEST_FILES "/" + file, 1U << 20U).value();
}

std::string bytes_of(const std::string& hexadecimal) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hexadecimal.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hexadecimal.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string text_of(const Json& entry, Json document) {
  if (entry.contains("text")) return entry["text"];
  if (entry.contains("text_hex")) return bytes_of(entry["text_hex"]);
  if (entry.contains("set"))
    for (const auto& [pointer, value] : entry["set"].items())
      document[Json::json_pointer(pointer)] = value;
  if (entry.contains("remove"))
    for (const std::string pointer : entry["remove"]) {
      const Json::json_pointer at(pointer);
      document.at(at.parent_pointer()).erase(at.back());
    }
  return document.dump();
}

}  // namespace

std::string sample() { return read("sample.json"); }

std::vector<TestDocument> documents(const std::string& file) {
  const auto base = Json::parse(sample());
  std::vector<TestDocument> documents;
  for (const auto& entry : Json::parse(read(file)))
    documents.push_back(
        {entry["name"], text_of(entry, base), entry.value("faults", std::vector<std::string>())});
  return documents;
}

}  // namespace sluice::config
