// SPDX-License-Identifier: Apache-2.0
// The files on hugetlbfs by which DPDK shares huge pages with other processes.
//
// Threads: slow path.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

namespace sluice::dataplane {

/// Where hugetlbfs is mounted and may be written; empty when it is nowhere.
/// @param mounts  a list of mounts as the kernel has it.
[[nodiscard]] std::vector<std::filesystem::path> huge_page_folders(
    const std::filesystem::path& mounts = "/proc/mounts");

/// Removes the huge pages of DPDK processes of a file prefix that ended without doing so. Those of
/// one that runs stay: it holds locks on them.
/// @return how many files went.
std::size_t remove_left_huge_files(const std::filesystem::path& folder,
                                   std::string_view file_prefix);

}  // namespace sluice::dataplane
