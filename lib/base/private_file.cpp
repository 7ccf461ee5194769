// SPDX-License-Identifier: Apache-2.0
#include "base/private_file.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

FileFacts facts_of(int file, const struct stat& about) {
  struct statvfs mount {};
  return {.mode = about.st_mode & 07777U,
          .owner = about.st_uid,
          .read_only = ::fstatvfs(file, &mount) == 0 &&
                       (mount.f_flag & static_cast<unsigned long>(ST_RDONLY)) != 0};
}

}  // namespace

Result<void> check_readers(const std::string& path, const FileFacts& facts, Readers readers,
                           unsigned own_user) {
  if (readers == Readers::kAnyone) return {};
  if (facts.owner != 0 && facts.owner != own_user)
    return fail(Errc::kInvalid, path,
                "belongs to user {}, who may read and change it; make it root's: chown root",
                facts.owner);
  if ((facts.mode & 077U) == 0) return {};
  if (readers == Readers::kOfReadOnlyMount && (facts.mode & 033U) == 0 && facts.read_only)
    return {};
  return fail(Errc::kInvalid, path,
              "others may use it (mode {:04o}); make it so that only its owner can: chmod 600{}",
              facts.mode,
              readers == Readers::kOfReadOnlyMount
                  ? ", or mount it read-only, as Kubernetes does with a service account's token"
                  : "");
}

Result<std::string> read_private_file(const std::string& path, std::size_t limit, Readers readers) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file)
    return fail(errno == ENOENT ? Errc::kNotFound : Errc::kIo, path, "{}", std::strerror(errno));
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return fail(Errc::kIo, path, "{}", std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return fail(Errc::kInvalid, path, "is no plain file");
  if (auto good = check_readers(path, facts_of(file.get(), about), readers, ::geteuid()); !good)
    return forward_error(good);
  std::string text(limit + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::kIo, path, "{}", std::strerror(errno));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > limit) return fail(Errc::kInvalid, path, "is longer than {} bytes", limit);
  text.resize(size);
  return text;
}

}  // namespace sluice
