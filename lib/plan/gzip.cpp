// SPDX-License-Identifier: Apache-2.0
// Unpacking of gzip by zlib, bounded.
#include "plan/trace.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

namespace sluice::plan {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib's way to say: gzip's wrapper and no other

class Inflater {
 public:
  Inflater() { good_ = ::inflateInit2(&stream_, kGzipOnly) == Z_OK; }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (good_) ::inflateEnd(&stream_);
  }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] z_stream& stream() noexcept { return stream_; }

 private:
  z_stream stream_{};
  bool good_ = false;
};

}  // namespace

Result<std::string> unpack_gzip(std::string_view packed, std::size_t limit, std::string_view name) {
  Inflater inflater;
  if (!inflater.good()) return fail(Errc::kExhausted, std::string(name), "zlib has no memory");
  z_stream& stream = inflater.stream();
  // zlib takes non-const input and never writes to it.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  std::string text;
  std::array<char, 64 * 1024> chunk{};
  std::size_t left = packed.size();
  bool ended = false;
  for (;;) {
    if (stream.avail_in == 0) {
      const auto more = std::min<std::size_t>(left, std::numeric_limits<uInt>::max());
      stream.avail_in = static_cast<uInt>(more);
      left -= more;
    }
    if (ended && stream.avail_in == 0) return text;
    if (ended && ::inflateReset(&stream) != Z_OK)
      return fail(Errc::kInvalid, std::string(name), "zlib cannot begin a new member");
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    const std::size_t got = chunk.size() - stream.avail_out;
    if (text.size() + got > limit)
      return fail(Errc::kInvalid, std::string(name), "unpacks to more than {} bytes", limit);
    text.append(chunk.data(), got);
    ended = status == Z_STREAM_END;
    if (status == Z_BUF_ERROR || (status == Z_OK && got == 0 && stream.avail_in == 0 && left == 0))
      return fail(Errc::kInvalid, std::string(name), "is cut short: its gzip data has no end");
    if (status != Z_OK && !ended)
      return fail(Errc::kInvalid, std::string(name), "is not gzip, or damaged, after {} bytes",
                  text.size());
  }
}

}  // namespace sluice::plan
