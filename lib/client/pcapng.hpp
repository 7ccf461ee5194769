// SPDX-License-Identifier: Apache-2.0
// A pcapng file of packets before and after the rewrite: one section, an interface for each side.
//
// Threads: one object, one thread.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sluice::client {

class PcapngWriter {
 public:
  enum class Side : std::uint32_t { kBefore = 0, kAfter = 1 };  ///< Number of the interface.

  /// Creates or empties the file and writes its head: interfaces "before" and "after", both
  /// Ethernet, times in nanoseconds. @param application  who writes, for the reader of the file.
  /// @return kIo with the system's reason.
  [[nodiscard]] static Result<PcapngWriter> create(const std::string& path,
                                                   std::string_view application);

  /// @param at_ns  since the epoch. @param bytes  at most `length`, the packet's own.
  /// @param comment  UTF-8, at most 65535 bytes.
  void write(Side side, std::uint64_t at_ns, std::span<const std::byte> bytes, std::uint32_t length,
             std::string_view comment);
  /// Writes out what is buffered. @return kIo (no space) when any of it was lost.
  [[nodiscard]] Result<void> flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  PcapngWriter(std::string path, std::FILE* file) noexcept : path_(std::move(path)), file_(file) {}
  void put(std::string_view block) noexcept;

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  int error_ = 0;  ///< errno of the first write that failed.
};

}  // namespace sluice::client
