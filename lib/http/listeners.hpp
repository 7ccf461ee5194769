// SPDX-License-Identifier: Apache-2.0
// Sockets that wait for clients of the admin API: a Unix socket that is taken over from a daemon
// that was killed, never from one that lives, and a TCP socket.
//
// Threads: slow path.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::http {

/// Who may open a Unix socket.
struct SocketAccess {
  mode_t mode = 0660;
  std::string group;  ///< Owner of its file by name; empty: the process's group.
};

/// A listening Unix socket. Its file goes with it, unless another has taken the name.
class UnixListener {
 public:
  /// Makes the folder (mode 0755) where it is missing, and listens at `path`.
  /// @return kConflict when a daemon answers there, is starting there, or the file is not a socket;
  ///         kInvalid for a path of more than 107 bytes; kNotFound for a group that does not exist;
  ///         kIo with the system's reason.
  [[nodiscard]] static Result<UnixListener> open(const std::string& path,
                                                 const SocketAccess& access = {});
  UnixListener(UnixListener&& other) noexcept = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  UnixListener(UniqueFd fd, std::string path) noexcept
      : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;  // device and inode: how our file is told from a later one of the same name
  ino_t inode_ = 0;
};

struct TcpListener {
  UniqueFd fd;
  std::uint16_t port;  ///< As bound; differs from the one asked for when that was 0.
};

/// Listens at "ADDRESS:PORT" or "[IPV6]:PORT"; port 0 takes a free one.
/// @return kInvalid for other text, kConflict when the port is taken, kIo.
[[nodiscard]] Result<TcpListener> listen_tcp(std::string_view address_and_port);

}  // namespace sluice::http
