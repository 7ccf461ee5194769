// SPDX-License-Identifier: Apache-2.0
#include "client/pcapng.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::client {
namespace {

// Block types, option codes and fields: draft-ietf-opsawg-pcapng. A file is in the byte order of
// who wrote it, which its first block tells.
constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kPacket = 6;
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kResolution = 9;
constexpr char kNanoseconds = 9;  // 10 to the power of minus 9
constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;
constexpr std::size_t kLongestOption = 65535;

class Block {
 public:
  explicit Block(std::uint32_t type) { add(type).add(std::uint32_t{0}); }

  template <class T>
  Block& add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Block& add_padded(std::string_view bytes) {
    bytes_.append(bytes).append((4 - bytes.size() % 4) % 4, '\0');
    return *this;
  }
  Block& option(std::uint16_t code, std::string_view value) {
    value = value.substr(0, kLongestOption);
    return add(code).add(static_cast<std::uint16_t>(value.size())).add_padded(value);
  }
  /// The whole block, its length at both ends.
  std::string finish() {
    option(kEndOfOptions, "");
    const auto length = static_cast<std::uint32_t>(bytes_.size() + sizeof(std::uint32_t));
    add(length);
    std::memcpy(bytes_.data() + sizeof(std::uint32_t), &length, sizeof length);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

std::string interface_block(std::string_view name) {
  constexpr std::uint32_t kNoLimit = 0;
  return Block(kInterface)
      .add(kEthernet)
      .add(std::uint16_t{0})
      .add(kNoLimit)
      .option(kInterfaceName, name)
      .option(kResolution, {&kNanoseconds, 1})
      .finish();
}

}  // namespace

Result<PcapngWriter> PcapngWriter::create(const std::string& path, std::string_view application) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return fail(Errc::kIo, path, "cannot create it: {}", std::strerror(errno));
  PcapngWriter writer(path, file);
  constexpr std::int64_t kUnknownLength = -1;
  writer.put(Block(kSectionHeader)
                 .add(kByteOrder)
                 .add(std::uint16_t{1})  // version 1.0
                 .add(std::uint16_t{0})
                 .add(kUnknownLength)
                 .option(kApplication, application)
                 .finish());
  writer.put(interface_block("before"));
  writer.put(interface_block("after"));
  return writer;
}

void PcapngWriter::write(Side side, std::uint64_t at_ns, std::span<const std::byte> bytes,
                         std::uint32_t length, std::string_view comment) {
  const std::uint32_t flags = side == Side::kBefore ? kInbound : kOutbound;
  put(Block(kPacket)
          .add(static_cast<std::uint32_t>(side))
          .add(static_cast<std::uint32_t>(at_ns >> 32U))
          .add(static_cast<std::uint32_t>(at_ns))
          .add(static_cast<std::uint32_t>(bytes.size()))
          .add(length)
          .add_padded({reinterpret_cast<const char*>(bytes.data()), bytes.size()})
          .option(kComment, comment)
          .option(kPacketFlags, {reinterpret_cast<const char*>(&flags), sizeof flags})
          .finish());
}

void PcapngWriter::put(std::string_view block) noexcept {
  if (std::fwrite(block.data(), 1, block.size(), file_.get()) != block.size() && error_ == 0)
    error_ = errno;
}

Result<void> PcapngWriter::flush() {
  if (std::fflush(file_.get()) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return {};
  return fail(Errc::kIo, path_, "could not be written whole: {}", std::strerror(error_));
}

}  // namespace sluice::client
