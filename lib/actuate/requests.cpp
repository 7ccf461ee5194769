// SPDX-License-Identifier: Apache-2.0
#include "actuate/requests.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::actuate {

struct Requests::Transfer {
  ~Transfer() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
  }

  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;
  std::string body;  // to be sent; libcurl does not copy it
  std::size_t longest = 0;
  bool too_long = false;
  std::array<char, CURL_ERROR_SIZE> said{};
  Answer answer;
  Answered answered;
  http::CurlMulti::Done done;
};

Requests::Requests(std::unique_ptr<http::CurlMulti> multi, std::string ca_file,
                   std::chrono::milliseconds timeout)
    : multi_(std::move(multi)), ca_file_(std::move(ca_file)), timeout_(timeout) {}

Result<std::unique_ptr<Requests>> Requests::open(EventLoop& loop, std::string ca_file,
                                                 std::chrono::milliseconds timeout) {
  auto multi = http::CurlMulti::open(loop);
  if (!multi) return forward_error(multi);
  return std::unique_ptr<Requests>(new Requests(std::move(*multi), std::move(ca_file), timeout));
}

Requests::~Requests() {
  for (const auto& [easy, transfer] : transfers_) multi_->remove(easy);
}

void Requests::ask(const Request& request, Answered answered) {
  auto made = std::make_unique<Transfer>();
  Transfer& transfer = *made;
  CURL* const easy = transfer.easy;
  if (easy == nullptr) return answered({.error = "libcurl does not start"});
  transfer.body = request.body;
  transfer.longest = request.longest;
  transfer.answered = std::move(answered);
  transfer.done = [this, easy](CURLcode code) { done(easy, code); };
  for (const auto& header : request.headers)
    transfer.headers = curl_slist_append(transfer.headers, header.c_str());
  const auto set = [easy](auto option, auto value) {
    return curl_easy_setopt(easy, option, value) == CURLE_OK;
  };
  const auto take = +[](char* bytes, std::size_t, std::size_t count, void* to) -> std::size_t {
    auto& into = *static_cast<Transfer*>(to);
    into.too_long = into.answer.body.size() + count > into.longest;
    if (into.too_long) return 0;
    into.answer.body.append(bytes, count);
    return count;
  };
  bool taken = set(CURLOPT_URL, request.url.c_str()) && set(CURLOPT_PROTOCOLS_STR, "http,https") &&
               set(CURLOPT_CUSTOMREQUEST, request.method.c_str()) &&
               set(CURLOPT_HTTPHEADER, transfer.headers) &&
               set(CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION) &&
               set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count())) &&
               set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_PROXY, "") &&
               set(CURLOPT_ERRORBUFFER, transfer.said.data()) && set(CURLOPT_WRITEFUNCTION, take) &&
               set(CURLOPT_WRITEDATA, &transfer);
  if (taken && !ca_file_.empty()) taken = set(CURLOPT_CAINFO, ca_file_.c_str());
  if (taken && !transfer.body.empty())
    taken = set(CURLOPT_POSTFIELDSIZE, static_cast<long>(transfer.body.size())) &&
            set(CURLOPT_POSTFIELDS, transfer.body.c_str());
  if (!taken) return transfer.answered({.error = "libcurl does not take the request"});
  transfers_[easy] = std::move(made);
  if (multi_->start(easy, transfer.done) != CURLM_OK) done(easy, CURLE_FAILED_INIT);
}

void Requests::done(CURL* easy, CURLcode code) {
  const auto found = transfers_.find(easy);
  const std::unique_ptr<Transfer> transfer = std::move(found->second);
  transfers_.erase(found);
  Answer& answer = transfer->answer;
  if (code == CURLE_OK) {
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_off_t after = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
    answer.after = std::chrono::seconds(std::clamp<curl_off_t>(after, 0, 3600));
  } else {
    answer.body.clear();
    answer.timed_out = code == CURLE_OPERATION_TIMEDOUT;
    answer.error = transfer->too_long
                       ? fmt::format("the answer is longer than {} bytes", transfer->longest)
                   : transfer->said[0] != '\0' ? std::string(transfer->said.data())
                                               : std::string(curl_easy_strerror(code));
  }
  transfer->answered(std::move(answer));
}

}  // namespace sluice::actuate
