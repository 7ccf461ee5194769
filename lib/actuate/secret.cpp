// SPDX-License-Identifier: Apache-2.0
#include "actuate/secret.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <nettle/hmac.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::actuate {

Result<void> check_readers(const std::string& path, const FileFacts& facts, Readers readers,
                           unsigned own_user) {
  if ((facts.mode & 077U) == 0) return {};
  const bool trusted_owner = facts.owner == 0 || facts.owner == own_user;
  if (readers == Readers::kOfReadOnlyMount && (facts.mode & 033U) == 0 && trusted_owner &&
      facts.read_only)
    return {};
  return fail(Errc::kInvalid, path,
              "others may use it (mode {:04o}); make it so that only its owner can: chmod 600{}",
              facts.mode,
              readers == Readers::kOfReadOnlyMount
                  ? ", or mount it read-only, as Kubernetes does with a service account's token"
                  : "");
}

Result<std::string> read_secret(const std::string& path, Readers readers) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file)
    return fail(errno == ENOENT ? Errc::kNotFound : Errc::kIo, path, "{}", std::strerror(errno));
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return fail(Errc::kIo, path, "{}", std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return fail(Errc::kInvalid, path, "is no plain file");
  struct statvfs mount {};
  const bool read_only = ::fstatvfs(file.get(), &mount) == 0 &&
                         (mount.f_flag & static_cast<unsigned long>(ST_RDONLY)) != 0;
  if (auto good = check_readers(
          path, {.mode = facts.st_mode & 07777U, .owner = facts.st_uid, .read_only = read_only},
          readers, ::geteuid());
      !good)
    return forward_error(good);
  std::string text(kLongestSecret + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::kIo, path, "{}", std::strerror(errno));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > kLongestSecret)
    return fail(Errc::kInvalid, path, "is longer than {} bytes", kLongestSecret);
  text.resize(size);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return fail(Errc::kInvalid, path, "is empty");
  const auto odd = [](char c) { return c < ' ' || c > '~'; };
  if (std::ranges::any_of(text, odd))
    return fail(Errc::kInvalid, path, "has bytes that are not printable ASCII");
  return text;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  const auto bytes = [](std::string_view of) {
    return reinterpret_cast<const std::uint8_t*>(of.data());
  };
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key.size(), bytes(key));
  hmac_sha256_update(&context, text.size(), bytes(text));
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
  hmac_sha256_digest(&context, digest.size(), digest.data());
  std::string out;
  for (const auto byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace sluice::actuate
