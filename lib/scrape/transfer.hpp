// SPDX-License-Identifier: Apache-2.0
// One backend's metrics by HTTP: asked for again and again, one question at a time.
//
// Threads: the event loop's.
#pragma once

#include "http/curl_multi.hpp"
#include "scrape/scraper.hpp"

#include <curl/curl.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::scrape {

class Transfer {
 public:
  /// Called once for each ask(), perhaps from within it; time and duration are the asker's. It may
  /// neither ask anew nor destroy the transfer from within.
  using Answered = std::function<void(Scrape scrape)>;

  /// @param multi  lives longer.
  Transfer(http::CurlMulti& multi, const Target& target, Answered answered);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer();

  void ask(Time at);

 private:
  struct EasyEnd {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
  };
  struct ListEnd {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  };

  template <class V>
  void set(CURLoption option, V value);
  void configure(const Target& target);
  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* to);
  static std::size_t on_header(char* at, std::size_t, std::size_t bytes, void* self);
  static std::size_t on_body(char* at, std::size_t, std::size_t bytes, void* self);
  void done(CURLcode code);
  [[nodiscard]] std::string problem_of(CURLcode code) const;

  http::CurlMulti& multi_;
  Answered answered_;
  Gathering gathering_;
  http::CurlMulti::Done done_ = [this](CURLcode code) { done(code); };
  std::unique_ptr<CURL, EasyEnd> easy_{curl_easy_init()};
  std::unique_ptr<curl_slist, ListEnd> headers_;
  std::optional<ExpositionReader> reader_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::chrono::milliseconds timeout_;
  Time at_{};
  std::size_t header_bytes_ = 0;
  std::size_t bytes_ = 0;
  bool taken_ = true;     // libcurl took every option
  bool refused_ = false;  // by the reader: the rest does not matter
};

}  // namespace sluice::scrape
