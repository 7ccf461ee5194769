// SPDX-License-Identifier: Apache-2.0
// A recorded machine: files below a folder of its own, and interfaces.
#pragma once

#include "doctor/checks.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace sluice::doctor {

class Tree {
 public:
  Tree() {
    std::string name = "/tmp/sluice-tree-XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~Tree() { std::filesystem::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void put(const std::string& path, const std::string& content) {
    const auto file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  void link(const std::string& path, const std::string& target) {
    const auto file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::create_symlink(target, file);
  }
  void interface(const std::string& name, Link about) { links_[name] = std::move(about); }
  [[nodiscard]] Machine machine() const {
    return Machine(root_, [links = links_](const std::string& name) {
      const auto found = links.find(name);
      return found == links.end() ? std::nullopt : std::optional(found->second);
    });
  }

 private:
  std::filesystem::path root_;
  std::map<std::string, Link> links_;
};

/// The finding on `check`; fails the test where there is none.
inline Finding found(const Findings& findings, const std::string& check) {
  for (const auto& finding : findings.list())
    if (finding.check == check) return finding;
  ADD_FAILURE() << "nothing is said of " << check;
  return {};
}

}  // namespace sluice::doctor
