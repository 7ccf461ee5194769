// SPDX-License-Identifier: Apache-2.0
// HTTP requests of actuators: by libcurl on the event loop, bounded in time and size.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "http/curl_multi.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sluice::actuate {

/// No redirects, no proxies, no cookies, nothing of the environment; certificates are checked.
class Requests {
 public:
  struct Request {
    std::string method = "GET";
    std::string url = {};
    std::vector<std::string> headers = {};  ///< "Name: value".
    std::string body = {};
    std::size_t longest = 0;  ///< Bytes of an answer's body.
  };
  struct Answer {
    long status = 0;  ///< 0: there was no answer; see `error`.
    std::string body = {};
    std::chrono::seconds after = {};  ///< "Retry-After".
    bool timed_out = false;
    std::string error = {};
  };
  using Answered = std::function<void(Answer)>;

  /// @param ca_file  empty: the authorities that the system trusts.
  [[nodiscard]] static Result<std::unique_ptr<Requests>> open(EventLoop& loop, std::string ca_file,
                                                              std::chrono::milliseconds timeout);
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;
  ~Requests();  ///< Those under way end without an answer.

  /// `answered` is called once, from within when libcurl does not take it, else later.
  void ask(const Request& request, Answered answered);

 private:
  struct Transfer;
  Requests(std::unique_ptr<http::CurlMulti> multi, std::string ca_file,
           std::chrono::milliseconds timeout);
  void done(CURL* easy, CURLcode code);

  std::unique_ptr<http::CurlMulti> multi_;
  std::string ca_file_;
  std::chrono::milliseconds timeout_;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers_;
};

}  // namespace sluice::actuate
