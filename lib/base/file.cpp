// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sluice {
namespace {

tl::unexpected<Error> system_failure(const std::filesystem::path& path, std::string_view doing) {
  const int reason = errno;
  return fail(reason == ENOENT ? Errc::kNotFound : Errc::kIo, path.string(), "cannot {}: {}", doing,
              std::strerror(reason));
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_failure(path, "open it");
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return system_failure(path, "look at it");
  if (S_ISDIR(about.st_mode))
    return fail(Errc::kInvalid, path.string(), "is a directory, not a file");
  std::string content;
  std::string chunk(64 * 1024, '\0');
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure(path, "read it");
    if (n == 0) return content;
    if (content.size() + static_cast<std::size_t>(n) > limit)
      return fail(Errc::kInvalid, path.string(), "is longer than {} bytes", limit);
    content.append(chunk, 0, static_cast<std::size_t>(n));
  }
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  std::string sibling = path.string() + ".XXXXXX";
  const UniqueFd fd(::mkostemp(sibling.data(), O_CLOEXEC));
  if (!fd) return system_failure(path, "create a file beside it");
  const auto give_up = [&](std::string_view doing) {
    auto error = system_failure(path, doing);
    ::unlink(sibling.c_str());
    return error;
  };
  if (!write_all(fd.get(), content)) return give_up("write it");
  if (::fchmod(fd.get(), 0640) != 0) return give_up("set its mode");
  if (::fsync(fd.get()) != 0) return give_up("flush it to the disk");
  if (::rename(sibling.c_str(), path.c_str()) != 0) return give_up("replace it");
  const auto folder_name = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const UniqueFd folder(::open(folder_name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return system_failure(path, "flush its folder");
  return {};
}

}  // namespace sluice
