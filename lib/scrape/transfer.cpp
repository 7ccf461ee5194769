// SPDX-License-Identifier: Apache-2.0
#include "scrape/transfer.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace sluice::scrape {
namespace {

constexpr std::size_t kLongestProblem = 160;

// What libcurl or a stranger says, fit for a log line.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, kLongestProblem));
  std::ranges::replace_if(
      out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

}  // namespace

Transfer::Transfer(http::CurlMulti& multi, const Target& target, Answered answered)
    : multi_(multi),
      answered_(std::move(answered)),
      gathering_(std::make_shared<const Choices>(choices_of(target.metrics))),
      timeout_(target.metrics.timeout) {
  if (easy_ != nullptr) configure(target);
}

Transfer::~Transfer() {
  if (easy_ != nullptr) multi_.remove(easy_.get());
}

template <class V>
void Transfer::set(CURLoption option, V value) {
  taken_ &= curl_easy_setopt(easy_.get(), option, value) == CURLE_OK;
}

void Transfer::configure(const Target& target) {
  const std::string path =
      target.metrics.path.empty() ? std::string(path_of(target.metrics.type)) : target.metrics.path;
  const std::string address =
      target.address.is_v4() ? target.address.text() : '[' + target.address.text() + ']';
  headers_.reset(curl_slist_append(nullptr, "Accept: text/plain;version=0.0.4"));
  taken_ = headers_ != nullptr;
  set(CURLOPT_URL, fmt::format("http://{}:{}/", address, target.port).c_str());
  set(CURLOPT_REQUEST_TARGET, path.c_str());  // as it is written, dots and all
  set(CURLOPT_PROTOCOLS_STR, "http");
  set(CURLOPT_PROXY, "");  // whatever the environment says
  set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(CURLOPT_HTTPHEADER, headers_.get());
  set(CURLOPT_USERAGENT, "sluice-scrape");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_DNS_CACHE_TIMEOUT, 0L);  // addresses only; the cache is walked for each question
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count()));
  set(CURLOPT_BUFFERSIZE, 8192L);
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open);
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, this);
}

// What a program that is started meanwhile must not inherit.
curl_socket_t Transfer::on_open(void*, curlsocktype, curl_sockaddr* to) {
  return ::socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
}

std::size_t Transfer::on_header(char*, std::size_t, std::size_t bytes, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.header_bytes_ += bytes;
  return transfer.header_bytes_ > Scraper::kLongestHeaders ? 0 : bytes;
}

std::size_t Transfer::on_body(char* at, std::size_t, std::size_t bytes, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.bytes_ += bytes;
  transfer.refused_ = !transfer.reader_->take({at, bytes});
  return transfer.refused_ ? 0 : bytes;
}

void Transfer::ask(Time at) {
  at_ = at;
  header_bytes_ = bytes_ = 0;
  refused_ = false;
  error_.front() = '\0';
  if (easy_ == nullptr || !taken_)
    return answered_({.problem = "libcurl does not take the target"});
  (void)gathering_.finish(at);  // what a scrape that was cut had gathered
  reader_.emplace([this](std::string_view name) { return gathering_.wants(name); },
                  [this](const Sample& sample) { gathering_.take(sample); });
  if (const CURLMcode started = multi_.start(easy_.get(), done_); started != CURLM_OK)
    answered_({.problem = curl_multi_strerror(started)});
}

void Transfer::done(CURLcode code) {
  Scrape scrape;
  scrape.bytes = bytes_;
  scrape.problem = problem_of(code);
  if (scrape.problem.empty()) {
    auto summary = reader_->end();
    if (summary)
      scrape.first_bad = printable(summary->first_bad);
    else
      scrape.problem = "its text is refused: " + summary.error().message;
  }
  if (scrape.problem.empty()) scrape.reading = gathering_.finish(at_);
  reader_.reset();  // a thousand cut lines would hold 64 MB
  answered_(std::move(scrape));
}

std::string Transfer::problem_of(CURLcode code) const {
  if (header_bytes_ > Scraper::kLongestHeaders) return "more headers than are read";
  if (code == CURLE_OPERATION_TIMEDOUT)
    return fmt::format("no whole answer in {} ms", timeout_.count());
  if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && refused_))
    return printable(error_.front() != '\0' ? error_.data() : curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  return status == 200 ? std::string() : fmt::format("HTTP {}", status);
}

}  // namespace sluice::scrape
