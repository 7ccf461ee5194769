// SPDX-License-Identifier: Apache-2.0
// Captures: reading pcap and pcapng, writing pcap, Ethernet link type only.
//
// Threads: one at a time; slow path and tools.
#pragma once

#include "base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

struct pcap;
struct pcap_dumper;

namespace sluice::dataplane {

struct CapturedPacket {
  std::chrono::nanoseconds time{};   ///< Since the epoch.
  std::span<const std::byte> bytes;  ///< What was captured; valid until the next read.
  std::uint32_t wire_length = 0;     ///< Of the packet; more than bytes.size() when it was cut.
};

class CaptureReader {
 public:
  /// @return kNotFound or kIo (cannot be read), kInvalid (not a capture), kUnsupported (a link type
  ///   other than Ethernet); `where` is the path.
  [[nodiscard]] static Result<CaptureReader> open(const std::string& path);

  /// The next packet; std::nullopt at the end; kInvalid where the file is damaged.
  [[nodiscard]] Result<std::optional<CapturedPacket>> next();

 private:
  struct Close {
    void operator()(pcap* file) const noexcept;
  };
  CaptureReader(std::string path, pcap* file) noexcept : path_(std::move(path)), file_(file) {}
  std::string path_;
  std::unique_ptr<pcap, Close> file_;
};

class CaptureWriter {
 public:
  /// Creates or empties a pcap file with nanosecond times. @return kIo with the system's reason.
  [[nodiscard]] static Result<CaptureWriter> create(const std::string& path);

  void write(const CapturedPacket& packet) noexcept;
  /// Writes out what is buffered. @return kIo (no space) when any of it was lost.
  [[nodiscard]] Result<void> finish();

 private:
  struct Close {
    void operator()(pcap* file) const noexcept;
    void operator()(pcap_dumper* file) const noexcept;
  };
  CaptureWriter(std::string path, pcap* format, pcap_dumper* file) noexcept
      : path_(std::move(path)), format_(format), file_(file) {}
  std::string path_;
  std::unique_ptr<pcap, Close> format_;
  std::unique_ptr<pcap_dumper, Close> file_;
  int error_ = 0;  ///< errno of the first write that failed.
};

}  // namespace sluice::dataplane
