// SPDX-License-Identifier: Apache-2.0
#include "http/listeners.hpp"

#include "base/address.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

namespace sluice::http {
namespace {

constexpr int kBacklog = 64;

tl::unexpected<Error> system_failure(const std::string& where, std::string_view doing) {
  const int reason = errno;
  return fail(reason == EADDRINUSE ? Errc::kConflict : Errc::kIo, where, "cannot {}: {}", doing,
              std::strerror(reason));
}

UniqueFd stream_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// sockaddr_* types are one family of layouts; the casts are the interface's own.
template <class A>
const sockaddr* generic(const A& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Result<std::optional<gid_t>> group_of(const std::string& name) {
  if (name.empty()) return std::nullopt;
  errno = 0;
  const ::group* const found = ::getgrnam(name.c_str());  // at start only, before other threads ask
  if (found == nullptr)
    return fail(errno == 0 || errno == ENOENT ? Errc::kNotFound : Errc::kIo, "group " + name,
                "does not exist; make it by `groupadd --system {}`, or name another", name);
  return found->gr_gid;
}

/// Removes the socket that a killed daemon left, after a look at what is really there.
Result<void> clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0)
    return errno == ENOENT ? Result<void>{} : system_failure(path, "look at it");
  if (!S_ISSOCK(about.st_mode))
    return fail(Errc::kConflict, path,
                "is there and is not a socket; remove it or name another path");
  const UniqueFd probe = stream_socket(AF_UNIX);
  if (!probe) return system_failure(path, "make a socket");
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN)
    return fail(Errc::kConflict, path, "another daemon answers on {}; stop it or name another path",
                path);
  if (errno != ECONNREFUSED && errno != ENOENT)
    return system_failure(path, "ask who answers there");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return system_failure(path, "remove the socket of a daemon that is gone");
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::open(const std::string& path, const SocketAccess& access) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(Errc::kInvalid, path, "is {} bytes long; a socket's path has 1 to {}", path.size(),
                sizeof address.sun_path - 1);
  path.copy(address.sun_path, path.size());

  const auto group = group_of(access.group);
  if (!group) return forward_error(group);

  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  std::error_code failed;
  if (!std::filesystem::is_directory(folder, failed)) {
    std::filesystem::create_directories(folder, failed);
    if (failed) return fail(Errc::kIo, folder, "cannot make the folder: {}", failed.message());
    ::chmod(folder.c_str(), 0755);  // whatever the umask says
  }
  // Two daemons that start at once must not both find the old socket dead and remove each other's.
  const UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return system_failure(folder, "open the folder");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? fail(Errc::kConflict, path, "another daemon is starting there")
                                : system_failure(folder, "lock the folder");
  if (auto cleared = clear_stale(path, address); !cleared) return forward_error(cleared);

  UniqueFd fd = stream_socket(AF_UNIX);
  if (!fd) return system_failure(path, "make a socket");
  // Before bind(): the file is never there with a wider mode. After it: whatever the umask says.
  if (::fchmod(fd.get(), 0600) != 0) return system_failure(path, "set its mode");
  if (::bind(fd.get(), generic(address), sizeof address) != 0)
    return system_failure(path, "bind it");
  UnixListener made(std::move(fd), path);
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) return system_failure(path, "look at it");
  made.device_ = about.st_dev;
  made.inode_ = about.st_ino;
  if (*group && ::lchown(path.c_str(), static_cast<uid_t>(-1), **group) != 0)
    return system_failure(path, fmt::format("give it to group {}", access.group));
  if (::chmod(path.c_str(), access.mode) != 0) return system_failure(path, "set its mode");
  if (::listen(made.fd(), kBacklog) != 0) return system_failure(path, "listen there");
  return made;
}

UnixListener::~UnixListener() {
  struct stat about {};
  if (fd_ && inode_ != 0 && ::lstat(path_.c_str(), &about) == 0 && about.st_dev == device_ &&
      about.st_ino == inode_)
    ::unlink(path_.c_str());
}

Result<TcpListener> listen_tcp(std::string_view address_and_port) {
  const std::string where(address_and_port);
  const auto colon = address_and_port.rfind(':');
  std::string_view host = address_and_port.substr(0, std::min(colon, address_and_port.size()));
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  std::uint16_t port = 0;
  const char* const end = address_and_port.data() + address_and_port.size();
  const char* const digits =
      colon == std::string_view::npos ? end : address_and_port.data() + colon + 1;
  const auto [stopped, wrong] = std::from_chars(digits, end, port);
  if (!address || digits == end || wrong != std::errc{} || stopped != end ||
      address->is_v4() == bracketed)
    return fail(Errc::kInvalid, where, "'{}' is not ADDRESS:PORT or [IPV6]:PORT", where);

  sockaddr_storage local{};
  socklen_t length = 0;
  if (address->is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(local);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address->bytes().data(), 4);
    length = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(local);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, address->bytes().data(), 16);
    length = sizeof v6;
  }
  UniqueFd fd = stream_socket(local.ss_family);
  if (!fd) return system_failure(where, "make a socket");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!address->is_v4()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), generic(local), length) != 0) return system_failure(where, "bind it");
  if (::listen(fd.get(), kBacklog) != 0) return system_failure(where, "listen there");
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &length) != 0)
    return system_failure(where, "read its port");
  const auto bound = address->is_v4() ? reinterpret_cast<const sockaddr_in&>(local).sin_port
                                      : reinterpret_cast<const sockaddr_in6&>(local).sin6_port;
  return TcpListener{std::move(fd), ntohs(bound)};
}

}  // namespace sluice::http
