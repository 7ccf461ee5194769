// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include "base/log.hpp"
#include "http/credentials.hpp"
#include "http/exchange.hpp"
#include "http/gate.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <list>
#include <unordered_set>

namespace sluice::http {
namespace {

constexpr int kRunsPerTurn = 4;           // while clients take all that they are sent
constexpr unsigned kAcceptedAtOnce = 16;  // room until those that make room are closed
constexpr const char* kPriorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

}  // namespace

class Server::Engine {
 public:
  Engine(EventLoop& loop, Options options, Handler handler)
      : loop_(loop),
        options_(std::move(options)),
        limits_(options_.limits),
        handler_(std::move(handler)),
        gate_(options_.allowance, options_.admit) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  Result<void> listen();
  Result<void> reload();
  void wake_deferred();
  [[nodiscard]] std::size_t deferred() const noexcept { return waiting_.size(); }
  [[nodiscard]] std::uint16_t tcp_port() const noexcept { return tcp_ ? tcp_->port : 0; }

 private:
  /// One listening socket and the instance of libmicrohttpd behind it.
  struct Listener {
    Engine* engine = nullptr;
    MHD_Daemon* daemon = nullptr;
    int epoll = -1;
    bool by_tcp = false;
    bool retired = false;       ///< Another has its socket: it ends with its connections.
    Certificate certificate{};  ///< Empty: no TLS.
    std::size_t connections = 0;
    EventLoop::Clock::time_point retired_at{};
    bool one_ended = false;  ///< A connection, in the run that is under way.
    TimerId next = TimerId::kNone;
  };

  Result<void> start(int fd, bool by_tcp, Certificate certificate, const std::string& where);
  void retire(Listener& listener);
  void end(Listener& listener);
  void make_room(const Listener& listener);
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
  const Options options_;
  const Limits limits_;
  const Handler handler_;
  Gate gate_;
  std::optional<UnixListener> unix_;
  std::optional<TcpListener> tcp_;
  std::list<Listener> listeners_;  ///< Their addresses are libmicrohttpd's to keep.
  std::unordered_set<Connection*> connections_;
  std::unordered_set<Exchange*> waiting_;
  std::size_t body_bytes_ = 0;
  TimerId sweep_ = TimerId::kNone;
  bool wake_asked_ = false;
  /// Deferred tasks of the loop outlive this object; they look here first.
  std::shared_ptr<Engine*> self_ = std::make_shared<Engine*>(this);
};

Result<void> Server::Engine::listen() {
  auto local = UnixListener::open(options_.socket, options_.access);
  if (!local) return forward_error(local);
  unix_.emplace(std::move(*local));
  if (auto ok = start(unix_->fd(), false, {}, options_.socket); !ok) return ok;
  if (!options_.http.empty()) {
    if (!options_.tokens.empty()) {
      auto tokens = Tokens::read(options_.tokens);
      if (!tokens) return forward_error(tokens);
      gate_.trust(std::move(*tokens));
    }
    Certificate certificate;
    if (!options_.certificate.empty()) {
      auto read = read_certificate(options_.certificate, options_.key);
      if (!read) return forward_error(read);
      certificate = std::move(*read);
    }
    auto tcp = listen_tcp(options_.http);
    if (!tcp) return forward_error(tcp);
    tcp_.emplace(std::move(*tcp));
    if (auto ok = start(tcp_->fd.get(), true, std::move(certificate), options_.http); !ok)
      return ok;
  }
  const auto period = std::clamp(limits_.request / 8, std::chrono::milliseconds{10},
                                 std::chrono::milliseconds{5000});
  sweep_ = loop_.every(period, [this] { cut_slow_clients(); });
  return {};
}

Result<void> Server::Engine::reload() {
  if (!tcp_) return {};
  std::optional<Tokens> tokens;
  if (!options_.tokens.empty()) {
    auto read = Tokens::read(options_.tokens);
    if (!read) return forward_error(read);
    tokens = std::move(*read);
  }
  if (!options_.certificate.empty()) {
    auto read = read_certificate(options_.certificate, options_.key);
    if (!read) return forward_error(read);
    const auto now =
        std::ranges::find_if(listeners_, [](const Listener& l) { return l.by_tcp && !l.retired; });
    if (now == listeners_.end() || now->certificate != *read) {
      // Started beside the old one, which goes on if the new certificate turns out to be useless.
      if (auto ok = start(tcp_->fd.get(), true, std::move(*read), options_.http); !ok) return ok;
      if (now != listeners_.end()) retire(*now);
    }
  }
  if (tokens) gate_.trust(std::move(*tokens));
  return {};
}

Result<void> Server::Engine::start(int fd, bool by_tcp, Certificate certificate,
                                   const std::string& where) {
  Listener& listener = listeners_.emplace_back();
  listener.engine = this;
  listener.by_tcp = by_tcp;
  listener.certificate = std::move(certificate);
  const bool tls = !listener.certificate.chain.empty();
  const auto text = [](std::string& of) { return static_cast<void*>(of.data()); };
  std::vector<MHD_OptionItem> for_tls;
  if (tls)
    for_tls = {{MHD_OPTION_HTTPS_MEM_CERT, 0, text(listener.certificate.chain)},
               {MHD_OPTION_HTTPS_MEM_KEY, 0, text(listener.certificate.key)},
               {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kPriorities)}};
  for_tls.push_back({MHD_OPTION_END, 0, nullptr});
  unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  if (tls) flags |= MHD_USE_TLS;
  listener.daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, &Engine::on_request, &listener,  //
      MHD_OPTION_EXTERNAL_LOGGER, &log_line, nullptr,  // first: it logs the other options
      MHD_OPTION_LISTEN_SOCKET, fd,                    //
      MHD_OPTION_URI_LOG_CALLBACK, &Engine::on_target, &listener,                  //
      MHD_OPTION_NOTIFY_COMPLETED, &Engine::on_completed, &listener,               //
      MHD_OPTION_NOTIFY_CONNECTION, &Engine::on_connection, &listener,             //
      MHD_OPTION_CONNECTION_LIMIT, limits_.connections + kAcceptedAtOnce,          //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits_.idle.count()),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits_.header_bytes,                    //
      MHD_OPTION_ARRAY, for_tls.data(),                                            //
      MHD_OPTION_END);
  if (listener.daemon == nullptr) {
    listeners_.pop_back();
    if (tls)
      return fail(Errc::kInvalid, options_.certificate,
                  "cannot be used with the key {}; give a certificate in PEM and its own key",
                  options_.key);
    return fail(Errc::kIo, where, "cannot start the HTTP server: {}", std::strerror(errno));
  }
  listener.epoll = MHD_get_daemon_info(listener.daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  return loop_.add(listener.epoll, EPOLLIN, [this, &listener](std::uint32_t) { run(listener); });
}

// It accepts no more, and is ended by cut_slow_clients().
void Server::Engine::retire(Listener& listener) {
  MHD_quiesce_daemon(listener.daemon);
  listener.retired = true;
  listener.retired_at = loop_.now();
}

// Without connections that are suspended: libmicrohttpd would abort.
void Server::Engine::end(Listener& listener) {
  loop_.cancel(listener.next);
  if (listener.epoll >= 0) loop_.remove(listener.epoll);
  // It would close the listening socket, which is ours.
  if (!listener.retired) MHD_quiesce_daemon(listener.daemon);
  MHD_stop_daemon(listener.daemon);
}

Server::Engine::~Engine() {
  *self_ = nullptr;
  loop_.cancel(sweep_);
  for (Exchange* const exchange : waiting_) resume(*exchange);
  for (auto& listener : listeners_) end(listener);
}

void Server::Engine::run(Listener& listener) {
  MHD_UNSIGNED_LONG_LONG wait = 0;
  bool waits = false;
  // A connection that ends makes room for one that waits, which is seen only in a run of its own.
  // A long answer goes on: of each a piece or two are sent in a run.
  int runs = 0;
  do {
    listener.one_ended = false;
    MHD_run(listener.daemon);
    waits = MHD_get_timeout(listener.daemon, &wait) == MHD_YES;
  } while (listener.one_ended || (waits && wait == 0 && ++runs < kRunsPerTurn));
  loop_.cancel(listener.next);
  listener.next = TimerId::kNone;
  if (!waits) return;
  const std::chrono::milliseconds delay{std::min<MHD_UNSIGNED_LONG_LONG>(wait, 60'000)};
  listener.next = loop_.after(delay, [this, &listener] { run(listener); });
}

void Server::Engine::run_all() {
  for (auto& listener : listeners_) run(listener);
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
  const auto cut = [](Connection& c) {
    c.cut = true;
    ::shutdown(c.fd, SHUT_RDWR);
  };
  for (Connection* const c : connections_)
    if (!c->waits && c->since < oldest) cut(*c);
  for (auto at = listeners_.begin(); at != listeners_.end();) {
    Listener& listener = *at++;
    if (!listener.retired) continue;
    if (listener.connections == 0) {
      end(listener);
      listeners_.remove_if([&](const Listener& l) { return &l == &listener; });
    } else if (listener.retired_at < oldest) {
      for (Connection* const c : connections_)
        if (c->listener == &listener && !c->waits) cut(*c);
    }
  }
}

// A crowd that keeps connections open must not keep a newcomer out: who has been silent longest
// goes, never who waits for us.
void Server::Engine::make_room(const Listener& listener) {
  if (listener.connections <= limits_.connections) return;
  Connection* oldest = nullptr;
  for (Connection* const c : connections_)
    if (c->listener == &listener && !c->waits && !c->cut &&
        (oldest == nullptr || c->since < oldest->since))
      oldest = c;
  if (oldest == nullptr) return;
  oldest->cut = true;
  ::shutdown(oldest->fd, SHUT_RDWR);
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
  if (const Connection* const c = connection_of(connection); c != nullptr) request.peer = c->peer;
  MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, &add_parameter, &request.query);
  request.accept_encoding = header_of(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING);
  request.if_none_match = header_of(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
  exchange.body_limit = limits_.body_bytes;
  if (exchange.target_bytes > limits_.target_bytes)
    return send(connection, refusal(414, "invalid", "",
                                    fmt::format("the request's target has {} bytes; {} are allowed",
                                                exchange.target_bytes, limits_.target_bytes)));
  if (exchange.nul_in_target)
    return send(connection, refusal(400, "invalid", "", "the request's path holds a NUL byte"));
  const auto shown = header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION);
  if (const auto refused =
          gate_.judge(request, listener.by_tcp, shown, exchange.body_limit, loop_.now()))
    return send(connection, *refused);
  // A length that is given is judged before a byte of it is read.
  const auto length = header_of(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (!length.empty() && std::strtoull(length.c_str(), nullptr, 10) > exchange.body_limit) {
    exchange.too_large = true;
    return answer(exchange);
  }
  return MHD_YES;
}

void Server::Engine::take_body(Exchange& exchange, std::string_view bytes) {
  if (exchange.too_large || exchange.no_room) return;  // read on and forget, up to the time limit
  exchange.too_large = exchange.request.body.size() + bytes.size() > exchange.body_limit;
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
                        fmt::format("the body is longer than {} bytes", exchange.body_limit)));
  if (exchange.no_room)
    return send(connection, refusal(503, "exhausted", request.path,
                                    "too many bodies are on their way at once; try again"));
  Answer given;
  const auto begun = loop_.now();
  try {
    given = handler_(request);
  } catch (const std::exception& e) {
    log("http")->error("handler_threw path={} what={}", request.path, e.what());
    given = refusal(500, "io", request.path, "the request failed inside the daemon");
  }
  if (!request.peer.address.empty())
    gate_.charge(request.peer.address, loop_.now() - begun, loop_.now());
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
    auto* const made = new Connection{fd, engine.loop_.now(), peer_of(fd), &listener};
    engine.connections_.insert(made);
    *context = made;
    ++listener.connections;
    engine.make_room(listener);
  } else {
    auto* const gone = static_cast<Connection*>(*context);
    engine.connections_.erase(gone);
    --listener.connections;
    delete gone;
    *context = nullptr;
    listener.one_ended = true;
  }
}

Server::Server(std::unique_ptr<Engine> engine) noexcept : engine_(std::move(engine)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(EventLoop& loop, Options options, Handler handler) {
  auto engine = std::make_unique<Engine>(loop, std::move(options), std::move(handler));
  if (auto ok = engine->listen(); !ok) return forward_error(ok);
  return std::unique_ptr<Server>(new Server(std::move(engine)));
}

Result<void> Server::reload() { return engine_->reload(); }
void Server::wake_deferred() { engine_->wake_deferred(); }
std::size_t Server::deferred() const noexcept { return engine_->deferred(); }
std::uint16_t Server::tcp_port() const noexcept { return engine_->tcp_port(); }

}  // namespace sluice::http
