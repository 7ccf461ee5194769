// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include "base/log.hpp"
#include "http/listeners.hpp"

#include <microhttpd.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <unordered_set>

namespace sluice::http {
namespace {

using TimerId = EventLoop::TimerId;

/// One accepted connection, over all its requests.
struct Connection {
  int fd;
  EventLoop::Clock::time_point since;  ///< When it came, or ended its last request.
  Peer peer;
  bool waits = false;  ///< Its request is deferred: the wait is ours, not the client's.
};

/// One request, from its first line until its answer is sent.
struct Exchange {
  Request request;
  MHD_Connection* connection = nullptr;
  std::size_t target_bytes = 0;
  std::size_t counted = 0;  ///< Bytes of the body in the server's total.
  bool nul_in_target = false;
  bool begun = false;  ///< The handler of the first call has run: method and path are known.
  bool too_large = false;
  bool no_room = false;
  bool suspended = false;
  bool deferred = false;  ///< It has been suspended at least once: `expiry` runs.
  TimerId expiry = TimerId::kNone;
};

Peer peer_of(int fd) {
  Peer peer;
  ucred who{};
  socklen_t length = sizeof who;
  sockaddr_storage address{};
  socklen_t address_length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::getpeername(fd, generic, &address_length) != 0) return peer;
  if (address.ss_family == AF_UNIX) {
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0) {
      peer.process = who.pid;
      peer.user = who.uid;
      peer.text = fmt::format("pid {} uid {}", who.pid, who.uid);
    }
    return peer;
  }
  std::array<char, 64> host{};
  std::array<char, 16> port{};
  if (::getnameinfo(generic, address_length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
    peer.text = address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host.data(), port.data())
                                              : fmt::format("{}:{}", host.data(), port.data());
  return peer;
}

MHD_Result add_parameter(void* query, MHD_ValueKind, const char* key, size_t key_size,
                         const char* value, size_t value_size) noexcept {
  static_cast<decltype(Request::query)*>(query)->emplace_back(
      std::string(key, key_size),
      value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

std::string_view header_of(MHD_Connection* connection, const char* name) {
  const char* const value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? "" : value;
}

void log_line(void*, const char* format, std::va_list arguments) noexcept {
  std::array<char, 512> line{};
  if (std::vsnprintf(line.data(), line.size(), format, arguments) < 0) return;
  const std::string_view text(line.data());
  log("http")->debug("libmicrohttpd {}", text.substr(0, text.find('\n')));
}

MHD_Result send(MHD_Connection* connection, const Response& response) {
  MHD_Response* const out = MHD_create_response_from_buffer(
      response.body.size(), const_cast<char*>(response.body.data()),  // copied, never written
      MHD_RESPMEM_MUST_COPY);
  if (out == nullptr) return MHD_NO;
  MHD_add_response_header(out, "Content-Type", response.content_type.c_str());
  if (std::ranges::none_of(response.headers,
                           [](const auto& h) { return h.first == "Cache-Control"; }))
    MHD_add_response_header(out, "Cache-Control", "no-store");
  MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
  for (const auto& [key, value] : response.headers)
    MHD_add_response_header(out, key.c_str(), value.c_str());
  const auto queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return queued;
}

}  // namespace

class Server::Engine {
 public:
  Engine(EventLoop& loop, const Limits& limits, Handler handler)
      : loop_(loop), limits_(limits), handler_(std::move(handler)) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  Result<void> listen(const Options& options);
  void wake_deferred();
  [[nodiscard]] std::size_t deferred() const noexcept { return waiting_.size(); }
  [[nodiscard]] std::uint16_t tcp_port() const noexcept { return tcp_ ? tcp_->port : 0; }

 private:
  /// One listening socket and the instance of libmicrohttpd behind it.
  struct Listener {
    Engine* engine = nullptr;
    MHD_Daemon* daemon = nullptr;
    int epoll = -1;
    bool read_only = false;
    bool one_ended = false;  ///< A connection, in the run that is under way.
    TimerId next = TimerId::kNone;
  };

  Result<void> start(Listener& listener, int fd, bool read_only, const std::string& where);
  void run(Listener& listener);
  void run_all();
  void cut_slow_clients();
  void resume(Exchange& exchange);
  MHD_Result suspend(Exchange& exchange, std::chrono::milliseconds at_most);
  MHD_Result begin(const Listener& listener, Exchange& exchange, const char* url,
                   const char* method);
  void take_body(Exchange& exchange, std::string_view bytes);
  MHD_Result answer(Exchange& exchange);
  Connection* connection_of(MHD_Connection* connection) const;

  // Called by libmicrohttpd; nothing may be thrown through it.
  static void* on_target(void* listener, const char* target, MHD_Connection*) noexcept;
  static MHD_Result on_request(void* listener, MHD_Connection*, const char* url, const char* method,
                               const char* version, const char* body, size_t* body_size,
                               void** exchange) noexcept;
  static void on_completed(void* listener, MHD_Connection*, void** exchange,
                           MHD_RequestTerminationCode) noexcept;
  static void on_connection(void* listener, MHD_Connection*, void** context,
                            MHD_ConnectionNotificationCode) noexcept;

  EventLoop& loop_;
  const Limits limits_;
  const Handler handler_;
  std::optional<UnixListener> unix_;
  std::optional<TcpListener> tcp_;
  std::array<Listener, 2> listeners_;
  std::unordered_set<Connection*> connections_;
  std::unordered_set<Exchange*> waiting_;
  std::size_t body_bytes_ = 0;
  TimerId sweep_ = TimerId::kNone;
  bool wake_asked_ = false;
  /// Deferred tasks of the loop outlive this object; they look here first.
  std::shared_ptr<Engine*> self_ = std::make_shared<Engine*>(this);
};

Result<void> Server::Engine::listen(const Options& options) {
  auto local = UnixListener::open(options.socket);
  if (!local) return forward_error(local);
  unix_.emplace(std::move(*local));
  if (auto ok = start(listeners_[0], unix_->fd(), false, options.socket); !ok) return ok;
  if (!options.http.empty()) {
    auto tcp = listen_tcp(options.http);
    if (!tcp) return forward_error(tcp);
    tcp_.emplace(std::move(*tcp));
    if (auto ok = start(listeners_[1], tcp_->fd.get(), true, options.http); !ok) return ok;
  }
  const auto period = std::clamp(limits_.request / 8, std::chrono::milliseconds{10},
                                 std::chrono::milliseconds{5000});
  sweep_ = loop_.every(period, [this] { cut_slow_clients(); });
  return {};
}

Result<void> Server::Engine::start(Listener& listener, int fd, bool read_only,
                                   const std::string& where) {
  listener.engine = this;
  listener.read_only = read_only;
  listener.daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, nullptr, nullptr,
      &Engine::on_request, &listener,                  //
      MHD_OPTION_EXTERNAL_LOGGER, &log_line, nullptr,  // first: it logs the other options
      MHD_OPTION_LISTEN_SOCKET, fd,                    //
      MHD_OPTION_URI_LOG_CALLBACK, &Engine::on_target, &listener,                  //
      MHD_OPTION_NOTIFY_COMPLETED, &Engine::on_completed, &listener,               //
      MHD_OPTION_NOTIFY_CONNECTION, &Engine::on_connection, &listener,             //
      MHD_OPTION_CONNECTION_LIMIT, limits_.connections,                            //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits_.idle.count()),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits_.header_bytes,                    //
      MHD_OPTION_END);
  if (listener.daemon == nullptr)
    return fail(Errc::kIo, where, "cannot start the HTTP server: {}", std::strerror(errno));
  listener.epoll = MHD_get_daemon_info(listener.daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  return loop_.add(listener.epoll, EPOLLIN, [this, &listener](std::uint32_t) { run(listener); });
}

Server::Engine::~Engine() {
  *self_ = nullptr;
  loop_.cancel(sweep_);
  for (auto& listener : listeners_) {
    loop_.cancel(listener.next);
    if (listener.epoll >= 0) loop_.remove(listener.epoll);
  }
  // libmicrohttpd aborts when it is stopped with suspended connections.
  for (Exchange* const exchange : waiting_) resume(*exchange);
  for (auto& listener : listeners_) {
    if (listener.daemon == nullptr) continue;
    // It would close the listening socket, which is ours.
    MHD_quiesce_daemon(listener.daemon);
    MHD_stop_daemon(listener.daemon);
  }
}

void Server::Engine::run(Listener& listener) {
  // A connection that ends makes room for one that waits, which is seen only in a run of its own.
  do {
    listener.one_ended = false;
    MHD_run(listener.daemon);
  } while (listener.one_ended);
  loop_.cancel(listener.next);
  listener.next = TimerId::kNone;
  MHD_UNSIGNED_LONG_LONG wait = 0;
  if (MHD_get_timeout(listener.daemon, &wait) != MHD_YES) return;
  const std::chrono::milliseconds delay{std::min<MHD_UNSIGNED_LONG_LONG>(wait, 60'000)};
  listener.next = loop_.after(delay, [this, &listener] { run(listener); });
}

void Server::Engine::run_all() {
  for (auto& listener : listeners_)
    if (listener.daemon != nullptr) run(listener);
}

void Server::Engine::wake_deferred() {
  if (wake_asked_ || waiting_.empty()) return;
  wake_asked_ = true;
  // Not now: the caller may be the handler, and libmicrohttpd must not be entered twice.
  loop_.defer([self = self_] {
    if (*self == nullptr) return;
    Engine& engine = **self;
    engine.wake_asked_ = false;
    for (Exchange* const exchange : std::exchange(engine.waiting_, {})) engine.resume(*exchange);
    engine.run_all();
  });
}

void Server::Engine::cut_slow_clients() {
  const auto oldest = loop_.now() - limits_.request;
  for (const Connection* const c : connections_)
    if (!c->waits && c->since < oldest) ::shutdown(c->fd, SHUT_RDWR);
}

Connection* Server::Engine::connection_of(MHD_Connection* connection) const {
  const auto* const about = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return about == nullptr ? nullptr : static_cast<Connection*>(about->socket_context);
}

void Server::Engine::resume(Exchange& exchange) {
  exchange.suspended = false;
  if (Connection* const c = connection_of(exchange.connection); c != nullptr) {
    c->waits = false;
    c->since = loop_.now();
  }
  MHD_resume_connection(exchange.connection);
}

MHD_Result Server::Engine::suspend(Exchange& exchange, std::chrono::milliseconds at_most) {
  if (exchange.request.expired)
    return send(exchange.connection,
                refusal(503, "exhausted", exchange.request.path, "has nothing to answer yet"));
  if (waiting_.size() >= limits_.deferred)
    return send(exchange.connection,
                refusal(503, "exhausted", exchange.request.path,
                        "too many requests wait already; ask without waiting"));
  if (!exchange.deferred) {
    exchange.deferred = true;
    const auto wait = std::clamp(at_most, std::chrono::milliseconds{0}, limits_.defer);
    exchange.expiry = loop_.after(wait, [this, &exchange] {
      exchange.expiry = TimerId::kNone;
      exchange.request.expired = true;
      if (waiting_.erase(&exchange) != 0) resume(exchange);
      run_all();
    });
  }
  MHD_suspend_connection(exchange.connection);
  exchange.suspended = true;
  waiting_.insert(&exchange);
  if (Connection* const c = connection_of(exchange.connection); c != nullptr) c->waits = true;
  return MHD_YES;
}

MHD_Result Server::Engine::begin(const Listener& listener, Exchange& exchange, const char* url,
                                 const char* method) {
  MHD_Connection* const connection = exchange.connection;
  Request& request = exchange.request;
  exchange.begun = true;
  request.path = url;
  request.method = std::strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ? MHD_HTTP_METHOD_GET : method;
  request.read_only = listener.read_only;
  if (const Connection* const c = connection_of(connection); c != nullptr) request.peer = c->peer;
  if (exchange.target_bytes > limits_.target_bytes)
    return send(connection, refusal(414, "invalid", "",
                                    fmt::format("the request's target has {} bytes; {} are allowed",
                                                exchange.target_bytes, limits_.target_bytes)));
  if (exchange.nul_in_target)
    return send(connection, refusal(400, "invalid", "", "the request's path holds a NUL byte"));
  if (listener.read_only && request.method != MHD_HTTP_METHOD_GET) {
    auto refused = refusal(405, "method_not_allowed", request.path,
                           "this listener only reads; changes go by the Unix socket");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    return send(connection, refused);
  }
  MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, &add_parameter, &request.query);
  request.accept_encoding = header_of(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING);
  request.if_none_match = header_of(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
  // A length that is given is judged before a byte of it is read.
  const char* const length =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (length != nullptr && std::strtoull(length, nullptr, 10) > limits_.body_bytes) {
    exchange.too_large = true;
    return answer(exchange);
  }
  return MHD_YES;
}

void Server::Engine::take_body(Exchange& exchange, std::string_view bytes) {
  if (exchange.too_large || exchange.no_room) return;  // read on and forget, up to the time limit
  exchange.too_large = exchange.request.body.size() + bytes.size() > limits_.body_bytes;
  exchange.no_room = body_bytes_ + bytes.size() > limits_.all_body_bytes;
  if (exchange.too_large || exchange.no_room) {
    body_bytes_ -= std::exchange(exchange.counted, 0);
    std::string().swap(exchange.request.body);
    return;
  }
  body_bytes_ += bytes.size();
  exchange.counted += bytes.size();
  exchange.request.body.append(bytes);
}

MHD_Result Server::Engine::answer(Exchange& exchange) {
  const Request& request = exchange.request;
  MHD_Connection* const connection = exchange.connection;
  if (exchange.too_large)
    return send(connection,
                refusal(413, "exhausted", request.path,
                        fmt::format("the body is longer than {} bytes", limits_.body_bytes)));
  if (exchange.no_room)
    return send(connection, refusal(503, "exhausted", request.path,
                                    "too many bodies are on their way at once; try again"));
  Answer given;
  try {
    given = handler_(request);
  } catch (const std::exception& e) {
    log("http")->error("handler_threw path={} what={}", request.path, e.what());
    given = refusal(500, "io", request.path, "the request failed inside the daemon");
  }
  if (const auto* const later = std::get_if<Defer>(&given))
    return suspend(exchange, later->at_most);
  return send(connection, std::get<Response>(given));
}

void* Server::Engine::on_target(void*, const char* target, MHD_Connection* connection) noexcept {
  auto* const exchange = new Exchange;
  const std::string_view text(target);
  exchange->connection = connection;
  exchange->target_bytes = text.size();
  // libmicrohttpd hands the decoded path on as a C string: what stands behind a NUL would be lost.
  exchange->nul_in_target = text.substr(0, text.find('?')).find("%00") != std::string_view::npos;
  return exchange;
}

MHD_Result Server::Engine::on_request(void* of, MHD_Connection*, const char* url,
                                      const char* method, const char*, const char* body,
                                      size_t* body_size, void** context) noexcept {
  const auto& listener = *static_cast<const Listener*>(of);
  auto& exchange = *static_cast<Exchange*>(*context);
  try {
    if (!exchange.begun) return listener.engine->begin(listener, exchange, url, method);
    if (*body_size != 0) {
      listener.engine->take_body(exchange, {body, *body_size});
      *body_size = 0;
      return MHD_YES;
    }
    return listener.engine->answer(exchange);
  } catch (const std::exception& e) {
    log("http")->error("request_failed what={}", e.what());
    return MHD_NO;  // closes the connection
  }
}

void Server::Engine::on_completed(void* of, MHD_Connection* connection, void** context,
                                  MHD_RequestTerminationCode) noexcept {
  Engine& engine = *static_cast<const Listener*>(of)->engine;
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*context));
  *context = nullptr;
  if (exchange == nullptr) return;
  engine.body_bytes_ -= exchange->counted;
  engine.waiting_.erase(exchange.get());
  engine.loop_.cancel(exchange->expiry);
  if (Connection* const c = engine.connection_of(connection); c != nullptr) {
    c->waits = false;
    c->since = engine.loop_.now();
  }
}

void Server::Engine::on_connection(void* of, MHD_Connection* connection, void** context,
                                   MHD_ConnectionNotificationCode what) noexcept {
  auto& listener = *static_cast<Listener*>(of);
  Engine& engine = *listener.engine;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    auto* const made = new Connection{fd, engine.loop_.now(), peer_of(fd)};
    engine.connections_.insert(made);
    *context = made;
  } else {
    auto* const gone = static_cast<Connection*>(*context);
    engine.connections_.erase(gone);
    delete gone;
    *context = nullptr;
    listener.one_ended = true;
  }
}

Server::Server(std::unique_ptr<Engine> engine) noexcept : engine_(std::move(engine)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(EventLoop& loop, Options options, Handler handler) {
  auto engine = std::make_unique<Engine>(loop, options.limits, std::move(handler));
  if (auto ok = engine->listen(options); !ok) return forward_error(ok);
  return std::unique_ptr<Server>(new Server(std::move(engine)));
}

void Server::wake_deferred() { engine_->wake_deferred(); }
std::size_t Server::deferred() const noexcept { return engine_->deferred(); }
std::uint16_t Server::tcp_port() const noexcept { return engine_->tcp_port(); }

}  // namespace sluice::http
