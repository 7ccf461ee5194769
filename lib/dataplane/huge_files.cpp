// SPDX-License-Identifier: Apache-2.0
#include "dataplane/huge_files.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>

namespace sluice::dataplane {
namespace {

/// DPDK calls them PREFIXmap_0, PREFIXmap_1 and so on.
bool is_of(std::string_view file, std::string_view file_prefix) {
  if (!file.starts_with(file_prefix)) return false;
  file.remove_prefix(file_prefix.size());
  constexpr std::string_view kMap = "map_";
  if (!file.starts_with(kMap)) return false;
  file.remove_prefix(kMap.size());
  return !file.empty() && std::ranges::all_of(file, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_in_use(const std::filesystem::path& file) {
  const UniqueFd open(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return open.get() < 0 || ::flock(open.get(), LOCK_EX | LOCK_NB) != 0;
}

}  // namespace

std::vector<std::filesystem::path> huge_page_folders(const std::filesystem::path& mounts) {
  std::vector<std::filesystem::path> folders;
  std::ifstream list(mounts);
  for (std::string line; std::getline(list, line);) {
    const auto folder = line.find(' ');
    const auto type = line.find(' ', folder + 1);
    if (folder == std::string::npos || type == std::string::npos) continue;
    if (!std::string_view(line).substr(type + 1).starts_with("hugetlbfs ")) continue;
    const std::filesystem::path path = line.substr(folder + 1, type - folder - 1);
    if (::access(path.c_str(), W_OK) == 0) folders.push_back(path);
  }
  return folders;
}

std::size_t remove_left_huge_files(const std::filesystem::path& folder,
                                   std::string_view file_prefix) {
  std::vector<std::filesystem::path> left;
  std::error_code unreadable;
  for (const auto& file : std::filesystem::directory_iterator(folder, unreadable))
    if (is_of(file.path().filename().native(), file_prefix) && !is_in_use(file.path()))
      left.push_back(file.path());
  return static_cast<std::size_t>(std::ranges::count_if(left, [](const auto& file) {
    std::error_code failed;
    return std::filesystem::remove(file, failed);
  }));
}

}  // namespace sluice::dataplane
