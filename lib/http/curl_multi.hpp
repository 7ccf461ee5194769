// SPDX-License-Identifier: Apache-2.0
// libcurl's transfers of one kind, driven by the event loop: sockets and one timer.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <unordered_map>

namespace sluice::http {

class CurlMulti {
 public:
  using Done = std::function<void(CURLcode)>;

  [[nodiscard]] static Result<std::unique_ptr<CurlMulti>> open(EventLoop& loop);
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;
  ~CurlMulti();  ///< After all its transfers have ended or been removed.

  /// Starts a transfer. `done` is called once, from within or later, when it has been removed
  /// again; it may start others. It must outlive the transfer.
  /// @return what libcurl has against it; `done` is not called then.
  [[nodiscard]] CURLMcode start(CURL* easy, const Done& done);
  /// Keeps so many idle connections for later transfers; until told, four times as many as there
  /// are transfers at once.
  void keep_connections(long most) noexcept;
  void remove(CURL* easy) noexcept;  ///< Ends it; `done` is not called. Nothing when it has ended.

 private:
  CurlMulti(EventLoop& loop, CURLM* multi) noexcept : loop_(loop), multi_(multi) {}
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long ms, void* self);
  void act(curl_socket_t fd, int events);
  void finish();
  void settle_timer();

  EventLoop& loop_;
  CURLM* multi_;
  std::unordered_map<CURL*, const Done*> running_;
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
  EventLoop::Clock::time_point due_ = EventLoop::Clock::time_point::max();    // libcurl's timer
  EventLoop::Clock::time_point armed_ = EventLoop::Clock::time_point::max();  // ours for it
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::http
