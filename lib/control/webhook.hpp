// SPDX-License-Identifier: Apache-2.0
// Events by HTTP POST to whoever wants them pushed: a pager, a chat, a log store. The event log is
// the queue: what could not be delivered is sent later, and what the log has forgotten by then is
// counted in what is sent.
//
// Threads: slow path; nothing here waits.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "control/event_log.hpp"
#include "http/curl_multi.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace sluice::control {

class Webhook {
 public:
  static constexpr std::size_t kMostEvents = 100;  ///< In one request.
  static constexpr std::chrono::seconds kTimeout{10};
  static constexpr std::chrono::seconds kLongestPause{60};  ///< Between two attempts.

  /// @param url   http or https; redirects are not followed, certificates are checked.
  /// @param node  goes into each request beside the events, so that receivers tell nodes apart.
  /// @return kIo when libcurl does not start or does not take the URL.
  [[nodiscard]] static Result<std::unique_ptr<Webhook>> open(EventLoop& loop, EventLog& events,
                                                             std::string url, std::string node);
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;
  ~Webhook();

  /// There are new events: sends them at the end of this turn, unless a request or a pause is
  /// under way. Each request is `{"node", "events", "next", "lost"}`, its events as the API's
  /// `GET /api/v1/events` has them. Any status of 200 to 299 takes them; all else is tried again
  /// after 1, 2, 4, ... 60 s.
  void wake();

  /// Speaks to a Unix socket, whatever host the URL names.
  void connect_to_socket(const std::string& path);

  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }  ///< Events.
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }    ///< Requests.

 private:
  struct EasyEnd {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
  };
  struct ListEnd {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  };

  Webhook(EventLoop& loop, EventLog& events, std::string node,
          std::unique_ptr<http::CurlMulti> multi);
  void send();
  void finish(CURLcode code);
  [[nodiscard]] std::string body();

  EventLoop& loop_;
  EventLog& events_;
  std::string node_;
  std::unique_ptr<http::CurlMulti> multi_;
  std::unique_ptr<CURL, EasyEnd> easy_;
  std::unique_ptr<curl_slist, ListEnd> headers_;
  http::CurlMulti::Done done_;
  std::string sent_;              ///< The body under way.
  std::uint64_t next_ = 1;        ///< First event that was not taken yet.
  std::uint64_t next_after_ = 1;  ///< Likewise once the body under way is.
  std::uint64_t delivered_ = 0;
  std::uint64_t failures_ = 0;
  std::chrono::seconds pause_{0};
  bool busy_ = false;     ///< A request is under way, or is about to begin.
  bool failing_ = false;  ///< The last one failed, and that was told.
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
  std::shared_ptr<Webhook*> self_ = std::make_shared<Webhook*>(this);  ///< For deferred tasks.
};

}  // namespace sluice::control
