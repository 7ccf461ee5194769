// SPDX-License-Identifier: Apache-2.0
#include "control/webhook.hpp"

#include "control/api_parse.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace sluice::control {
namespace {

// What a receiver answers is read and forgotten.
std::size_t ignore(char*, std::size_t, std::size_t count, void*) { return count; }

}  // namespace

Webhook::Webhook(EventLoop& loop, EventLog& events, std::string node,
                 std::unique_ptr<http::CurlMulti> multi)
    : loop_(loop), events_(events), node_(std::move(node)), multi_(std::move(multi)) {}

Result<std::unique_ptr<Webhook>> Webhook::open(EventLoop& loop, EventLog& events, std::string url,
                                               std::string node) {
  auto multi = http::CurlMulti::open(loop);
  if (!multi) return forward_error(multi);
  std::unique_ptr<Webhook> made(new Webhook(loop, events, std::move(node), std::move(*multi)));
  made->easy_.reset(curl_easy_init());
  made->headers_.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
  CURL* const easy = made->easy_.get();
  if (easy == nullptr || made->headers_ == nullptr)
    return fail(Errc::kIo, "events.webhook", "libcurl does not start");
  const bool taken =
      curl_easy_setopt(easy, CURLOPT_URL, url.c_str()) == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_HTTPHEADER, made->headers_.get()) == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION) == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(kTimeout.count())) == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
      curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &ignore) == CURLE_OK;
  if (!taken) return fail(Errc::kIo, "events.webhook", "libcurl does not take '{}'", url);
  made->done_ = [raw = made.get()](CURLcode code) { raw->finish(code); };
  return made;
}

Webhook::~Webhook() {
  *self_ = nullptr;
  loop_.cancel(timer_);
  multi_->remove(easy_.get());
}

void Webhook::connect_to_socket(const std::string& path) {
  curl_easy_setopt(easy_.get(), CURLOPT_UNIX_SOCKET_PATH, path.c_str());
}

void Webhook::wake() {
  if (busy_) return;
  busy_ = true;
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->send();
  });
}

std::string Webhook::body() {
  Json page = view_events(events_, next_, kMostEvents);
  next_after_ = page["next"].get<std::uint64_t>();
  if (page["events"].empty()) return {};
  Json out = {{"node", node_}};
  out.update(page);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Webhook::send() {
  sent_ = body();
  busy_ = !sent_.empty();
  if (!busy_) return;
  CURL* const easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(sent_.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, sent_.c_str());
  if (multi_->start(easy, done_) != CURLM_OK) finish(CURLE_FAILED_INIT);
}

void Webhook::finish(CURLcode code) {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  const bool taken = code == CURLE_OK && status >= 200 && status <= 299;
  if (taken) {
    delivered_ += next_after_ - next_;
    next_ = next_after_;
    pause_ = std::chrono::seconds{0};
  } else {
    ++failures_;
    pause_ = std::clamp(pause_ * 2, std::chrono::seconds{1}, kLongestPause);
  }
  const bool changed = failing_ == taken;
  failing_ = !taken;
  loop_.cancel(timer_);
  // Not from within libcurl's own call.
  timer_ = loop_.after(pause_, [this] { send(); });
  if (!changed) return;
  if (taken)
    events_.add(Level::kInfo, "webhook", "delivered", "events are taken again");
  else
    events_.add(Level::kWarn, "webhook", "failed",
                fmt::format("{}; events wait and are sent again, at most {} s apart",
                            code == CURLE_OK ? fmt::format("the receiver answered {}", status)
                                             : std::string(curl_easy_strerror(code)),
                            kLongestPause.count()));
}

}  // namespace sluice::control
