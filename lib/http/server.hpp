// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 for the admin API, on a Unix socket and on TCP, there by TLS if wanted. libmicrohttpd
// without a thread of its own: it runs inside the event loop, and no client can make the loop wait.
//
// Threads: all on the event loop's thread; the handler too.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "http/allowance.hpp"
#include "http/listeners.hpp"
#include "http/message.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace sluice::http {

class Server {
 public:
  /// What clients may cost. Each limit is by listener unless it says otherwise.
  struct Limits {
    std::size_t body_bytes = std::size_t{16} << 20U;  ///< Of one request; more is 413.
    std::size_t all_body_bytes = std::size_t{64}
                                 << 20U;  ///< Of both listeners at once; more is 503.
    std::size_t target_bytes = 8192;      ///< Path and query as sent; more is 414.
    std::size_t header_bytes = 32768;     ///< Working memory of a connection; more is 431.
    unsigned connections = 64;      ///< The next one takes the place of who has been idle longest.
    unsigned deferred = 32;         ///< Of both listeners; the next one is 503.
    std::chrono::seconds idle{30};  ///< Silence after which a connection is closed.
    std::chrono::milliseconds request{
        60'000};  ///< For one request, first byte to last of the answer.
    std::chrono::milliseconds defer{30'000};  ///< Longest wait of a deferred request.
  };

  struct Options {
    std::string socket;  ///< Path of the Unix socket.
    SocketAccess access{};
    std::string http;              ///< "ADDRESS:PORT" of the listener on TCP; empty: none.
    std::string certificate, key;  ///< Files for TLS on TCP; both or none.
    std::string tokens;            ///< File of who may change things by TCP; empty: nobody.
    Limits limits{};
    Allowance::Limits allowance{};  ///< Of clients on TCP; who has used it up gets 429.
    Admit admit{};                  ///< Absent: all go on.
  };

  /// Listens, and answers from within `loop` until destroyed; `loop` must live longer. By TCP
  /// without a token all but GET and HEAD is refused (403) before the handler sees it; a token that
  /// is not one of the file's is 401, and dear.
  /// @return kConflict when another daemon answers or a port is taken, kInvalid, kNotFound, kIo.
  [[nodiscard]] static Result<std::unique_ptr<Server>> open(EventLoop& loop, Options options,
                                                            Handler handler);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Closes all connections and removes the socket file if it is still ours.
  ~Server();

  /// Reads certificate, key and tokens again. Connections that stand keep the certificate that they
  /// began with, and get a minute.
  /// @return what is wrong with a file, by its path; all stays as it was then.
  [[nodiscard]] Result<void> reload();

  /// Asks the handler again for every deferred request, at the end of this turn of the loop. Cheap
  /// to call often, and from within the handler.
  void wake_deferred();

  [[nodiscard]] std::size_t deferred() const noexcept;    ///< Requests that wait now.
  [[nodiscard]] std::uint16_t tcp_port() const noexcept;  ///< As bound; 0 without a TCP listener.

  class Engine;  ///< The part that speaks with libmicrohttpd.

 private:
  explicit Server(std::unique_ptr<Engine> engine) noexcept;
  std::unique_ptr<Engine> engine_;
};

}  // namespace sluice::http
