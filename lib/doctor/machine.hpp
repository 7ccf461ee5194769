// SPDX-License-Identifier: Apache-2.0
// The machine as its files tell of it: /proc and /sys below any root, so that a recorded tree can
// be examined like the machine itself.
//
// Threads: values; reading waits for the kernel, not for disks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::doctor {

struct Link {
  bool up = false;
  unsigned mtu = 0;
  std::string driver;  ///< Empty: it does not say.
};

/// An interface of this process's network namespace; std::nullopt: there is none of this name.
[[nodiscard]] std::optional<Link> link_of(const std::string& interface);

class Machine {
 public:
  using LinkOf = std::function<std::optional<Link>(const std::string& interface)>;

  explicit Machine(std::filesystem::path root = "/", LinkOf link = link_of)
      : root_(std::move(root)), link_(std::move(link)) {}

  /// The first 64 KiB of a file ("/proc/mounts"), without white space at the end; std::nullopt when
  /// it cannot be read.
  [[nodiscard]] std::optional<std::string> text(std::string_view path) const;
  /// A file that holds one number; negative ones count as none.
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view path) const;
  [[nodiscard]] bool exists(std::string_view path) const;
  /// Names in a directory, sorted; none when it cannot be read.
  [[nodiscard]] std::vector<std::string> names(std::string_view path) const;
  /// Last part of what a symbolic link leads to; empty: it is none.
  [[nodiscard]] std::string target(std::string_view path) const;
  /// CPUs of a list such as "0-3,6"; none when the file is not there or is no list.
  [[nodiscard]] std::set<unsigned> processors(std::string_view path) const;
  [[nodiscard]] std::optional<Link> link(const std::string& interface) const {
    return link_(interface);
  }

 private:
  [[nodiscard]] std::filesystem::path below_root(std::string_view path) const;

  std::filesystem::path root_;
  LinkOf link_;
};

/// "0-3,6" as a set; empty for what is no list. At most 4096 CPUs.
[[nodiscard]] std::set<unsigned> parse_processors(std::string_view list);
/// A set as "0-3,6".
[[nodiscard]] std::string processors_text(const std::set<unsigned>& processors);

}  // namespace sluice::doctor
