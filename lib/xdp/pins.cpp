// SPDX-License-Identifier: Apache-2.0
#include "xdp/pins.hpp"

#include "base/log.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

namespace sluice::xdp {
namespace {

constexpr std::string_view kMountPoint = "/sys/fs/bpf";

bool on_bpf_file_system(const std::string& path) {
  struct statfs found {};
  return ::statfs(path.c_str(), &found) == 0 && found.f_type == BPF_FS_MAGIC;
}

// The kernel has no call that tells the kind of a BPF descriptor; its name in /proc does.
Pinned kind_of(int fd) {
  std::array<char, 64> text{};
  const std::string link = fmt::format("/proc/self/fd/{}", fd);
  if (::readlink(link.c_str(), text.data(), text.size() - 1) < 0) return Pinned::kForeign;
  const std::string_view target(text.data());
  if (target.find("bpf-map") != target.npos) return Pinned::kMap;
  if (target.find("bpf-prog") != target.npos) return Pinned::kProgram;
  if (target.find("bpf_link") != target.npos || target.find("bpf-link") != target.npos)
    return Pinned::kLink;
  return Pinned::kForeign;
}

bool fits(int fd, const bpf_map* map) {
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == bpf_map__type(map) &&
         info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
         info.max_entries == bpf_map__max_entries(map) && info.map_flags == bpf_map__map_flags(map);
}

}  // namespace

tl::unexpected<Error> system_failure(std::string where, std::string_view what, int error) {
  const char* reason = std::strerror(error);
  switch (error) {
    case EPERM:
    case EACCES:
      return fail(Errc::kIo, std::move(where),
                  "{}: {}; needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN", what, reason);
    case ENOMEM:
      return fail(Errc::kExhausted, std::move(where),
                  "{}: {}; on kernels before 5.11 raise RLIMIT_MEMLOCK", what, reason);
    case ENOSPC:
    case E2BIG:
      return fail(Errc::kExhausted, std::move(where), "{}: {}", what, reason);
    default:
      return fail(Errc::kIo, std::move(where), "{}: {}", what, reason);
  }
}

std::string pin_name(std::string_view name) {
  std::string pin;
  for (const char c : name) {
    if (c == '.')
      pin += "%2e";
    else if (c == '%')
      pin += "%25";
    else
      pin += c;
  }
  return pin;
}

std::string name_of_pin(std::string_view pin) {
  std::string name;
  while (!pin.empty()) {
    if (pin.starts_with("%2e") || pin.starts_with("%25")) {
      name += pin[2] == 'e' ? '.' : '%';
      pin.remove_prefix(3);
    } else {
      name += pin.front();
      pin.remove_prefix(1);
    }
  }
  return name;
}

Result<void> check_node_name(std::string_view node) {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  if (node.empty() || node.size() > 64 || node == "." || node == ".." ||
      !std::ranges::all_of(node, allowed))
    return fail(Errc::kInvalid, "/node",
                "'{}' cannot name a directory; use 1 to 64 of A-Z a-z 0-9 _ . -", node);
  return {};
}

Result<void> ensure_bpf_file_system(const std::string& root) {
  const std::filesystem::path path(root);
  if (!path.is_absolute()) return fail(Errc::kInvalid, root, "the pin directory is not absolute");
  std::filesystem::path there = path;
  std::error_code ignored;
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path())
    there = there.parent_path();
  if (on_bpf_file_system(there.string())) return {};
  if (!root.starts_with(std::string(kMountPoint) + "/"))
    return fail(Errc::kInvalid, root,
                "is not on a BPF file system; use a directory below {}, or mount one with "
                "`mount -t bpf bpf DIRECTORY`",
                kMountPoint);
  if (::mount("bpf", std::string(kMountPoint).c_str(), "bpf", 0, "mode=0700") != 0)
    return system_failure(std::string(kMountPoint),
                          "cannot mount the BPF file system (`mount -t bpf bpf /sys/fs/bpf`)",
                          errno);
  log("xdp")->info("mount path={} reason=\"no BPF file system was there\"", kMountPoint);
  return {};
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  const int error = errno;
  if (error != EEXIST) return system_failure(path, "cannot make the directory", error);
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) return {};
  return fail(Errc::kConflict, path, "is not a directory; remove it");
}

Result<UniqueFd> claim_directory(const std::string& path) {
  // A predecessor that stops may remove the directory between our open and our lock: look again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (auto made = make_directory(path); !made) return forward_error(made);
    UniqueFd lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock) {
      if (errno == ENOENT) continue;
      return system_failure(path, "cannot open the directory", errno);
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return system_failure(path, "cannot lock the directory", errno);
      return fail(Errc::kConflict, path,
                  "another process runs this node; stop it, or give this one another node name");
    }
    struct stat held {};
    struct stat named {};
    if (::fstat(lock.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
        held.st_ino == named.st_ino && held.st_dev == named.st_dev)
      return lock;
  }
  return fail(Errc::kConflict, path, "another process keeps removing the directory");
}

std::vector<std::string> entries(const std::string& path) {
  std::vector<std::string> names;
  const auto close_directory = [](DIR* d) { ::closedir(d); };
  const std::unique_ptr<DIR, decltype(close_directory)> open(::opendir(path.c_str()),
                                                             close_directory);
  if (open == nullptr) return names;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

Pin open_pin(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISREG(found.st_mode)) return {Pinned::kForeign, UniqueFd(), 0};
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd) return {Pinned::kForeign, UniqueFd(), errno};
  const Pinned kind = kind_of(fd.get());
  return {kind, std::move(fd), 0};
}

Result<bool> keep_fitting_map(const std::string& path, const bpf_map* map) {
  const Pin pin = open_pin(path);
  if (pin.kind == Pinned::kNothing) return false;
  if (pin.error != 0) return system_failure(path, "cannot open the pin", pin.error);
  if (pin.kind == Pinned::kMap && fits(pin.fd.get(), map)) return true;
  if (auto removed = remove_pin(path); !removed) return forward_error(removed);
  log("xdp")->warn("replace path={} reason=\"{}\"", path,
                   pin.kind == Pinned::kMap ? "the pinned map has another type or size"
                                            : "what is pinned there is not a map");
  return false;
}

Result<void> remove_pin(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno == EISDIR)
    return fail(Errc::kConflict, path, "a directory is where a BPF object belongs; remove it");
  return system_failure(path, "cannot remove the pin", errno);
}

void remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return;
  std::string left;
  for (const auto& name : entries(path)) left += (left.empty() ? "" : " ") + name;
  log("xdp")->warn("keep path={} reason=\"not empty: {}\"", path, left);
}

}  // namespace sluice::xdp
