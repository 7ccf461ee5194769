// SPDX-License-Identifier: Apache-2.0
// A folder of a test's own, removed with all that is in it.
//
// Threads: one owner.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::test {

class Temporary {
 public:
  Temporary() {
    std::string name = std::filesystem::temp_directory_path() / "sluice-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
    folder_ = name;
  }
  ~Temporary() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  /// Writes a file of that content. @return its path.
  std::string file(const std::string& name, std::span<const std::byte> content) const {
    std::ofstream to(path(name), std::ios::binary);
    to.write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size()));
    if (!to.flush()) throw std::runtime_error("cannot write " + path(name));
    return path(name);
  }
  [[nodiscard]] static std::vector<std::byte> content(const std::string& path) {
    std::ifstream from(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(from), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace sluice::test
