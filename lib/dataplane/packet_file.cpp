// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_file.hpp"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice::dataplane {
namespace {

constexpr int kLongestPacket = 262144;  // libpcap's own bound

// A file may claim any time. Times are kept within what pcap can hold (32 bits of seconds), so that
// no sum or difference of them leaves the range of nanoseconds.
std::chrono::nanoseconds time_of(const timeval& claimed) {
  const std::chrono::seconds seconds(std::clamp<std::int64_t>(claimed.tv_sec, 0, 0xffffffff));
  // With nanosecond precision asked for, tv_usec holds nanoseconds.
  return seconds +
         std::chrono::nanoseconds(std::clamp<std::int64_t>(claimed.tv_usec, 0, 999'999'999));
}

}  // namespace

void CaptureReader::Close::operator()(pcap* file) const noexcept { pcap_close(file); }

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  std::FILE* stream = std::fopen(path.c_str(), "rbe");
  if (stream == nullptr)
    return fail(errno == ENOENT ? Errc::kNotFound : Errc::kIo, path, "cannot open it: {}",
                std::strerror(errno));
  std::array<char, PCAP_ERRBUF_SIZE> why{};
  pcap_t* file =
      pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, why.data());
  if (file == nullptr) {
    std::fclose(stream);
    return fail(Errc::kInvalid, path, "is no capture that can be read: {}", why.data());
  }
  CaptureReader reader(path, file);
  if (const int type = pcap_datalink(file); type != DLT_EN10MB)
    return fail(Errc::kUnsupported, path, "has link type {}; only Ethernet is read",
                pcap_datalink_val_to_name(type) != nullptr ? pcap_datalink_val_to_name(type)
                                                           : std::to_string(type));
  return reader;
}

Result<std::optional<CapturedPacket>> CaptureReader::next() {
  pcap_pkthdr* about = nullptr;
  const u_char* bytes = nullptr;
  const int got = pcap_next_ex(file_.get(), &about, &bytes);
  if (got == PCAP_ERROR_BREAK) return std::nullopt;
  if (got != 1) return fail(Errc::kInvalid, path_, "is damaged: {}", pcap_geterr(file_.get()));
  return CapturedPacket{time_of(about->ts), std::as_bytes(std::span(bytes, about->caplen)),
                        about->len};
}

void CaptureWriter::Close::operator()(pcap* file) const noexcept { pcap_close(file); }
void CaptureWriter::Close::operator()(pcap_dumper* file) const noexcept { pcap_dump_close(file); }

Result<CaptureWriter> CaptureWriter::create(const std::string& path) {
  pcap_t* format =
      pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kLongestPacket, PCAP_TSTAMP_PRECISION_NANO);
  if (format == nullptr) return fail(Errc::kExhausted, path, "no memory for a capture file");
  pcap_dumper_t* file = pcap_dump_open(format, path.c_str());
  if (file == nullptr) {
    auto error = fail(Errc::kIo, path, "cannot create it: {}", pcap_geterr(format));
    pcap_close(format);
    return error;
  }
  return CaptureWriter(path, format, file);
}

void CaptureWriter::write(const CapturedPacket& packet) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(packet.time);
  pcap_pkthdr about{};
  about.ts.tv_sec = seconds.count();
  about.ts.tv_usec = (packet.time - seconds).count();
  about.caplen = static_cast<bpf_u_int32>(packet.bytes.size());
  about.len = packet.wire_length;
  pcap_dump(reinterpret_cast<u_char*>(file_.get()), &about,
            reinterpret_cast<const u_char*>(packet.bytes.data()));
  if (error_ == 0 && std::ferror(pcap_dump_file(file_.get())) != 0) error_ = errno;
}

Result<void> CaptureWriter::finish() {
  if (pcap_dump_flush(file_.get()) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return {};
  return fail(Errc::kIo, path_, "could not be written whole: {}", std::strerror(error_));
}

}  // namespace sluice::dataplane
