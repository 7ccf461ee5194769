// SPDX-License-Identifier: Apache-2.0
#include "http/curl_multi.hpp"

#include <sys/epoll.h>

namespace sluice::http {

Result<std::unique_ptr<CurlMulti>> CurlMulti::open(EventLoop& loop) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* const multi = started == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) return fail(Errc::kIo, "libcurl", "it does not start");
  auto made = std::unique_ptr<CurlMulti>(new CurlMulti(loop, multi));
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, made.get());
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, made.get());
  return made;
}

CurlMulti::~CurlMulti() {
  *alive_ = false;
  curl_multi_cleanup(multi_);
  loop_.cancel(timer_);
}

CURLMcode CurlMulti::start(CURL* easy, const Done& done) {
  const CURLMcode taken = curl_multi_add_handle(multi_, easy);
  if (taken != CURLM_OK) return taken;
  running_[easy] = &done;
  act(CURL_SOCKET_TIMEOUT, 0);  // connects now instead of in the next turn
  return CURLM_OK;
}

void CurlMulti::keep_connections(long most) noexcept {
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, most);
}

void CurlMulti::remove(CURL* easy) noexcept {
  if (running_.erase(easy) != 0) curl_multi_remove_handle(multi_, easy);
}

int CurlMulti::on_socket(CURL*, curl_socket_t fd, int what, void* self, void* known) {
  auto& multi = *static_cast<CurlMulti*>(self);
  if (what == CURL_POLL_REMOVE) {
    multi.loop_.remove(fd);
    return 0;
  }
  const std::uint32_t events =
      ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
  if (known != nullptr) return multi.loop_.change(fd, events) ? 0 : -1;
  curl_multi_assign(multi.multi_, fd, self);
  const auto added = multi.loop_.add(fd, events, [&multi, fd](std::uint32_t ready) {
    multi.act(fd, ((ready & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                      ((ready & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                      ((ready & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0));
  });
  return added ? 0 : -1;
}

int CurlMulti::on_timer(CURLM*, long ms, void* self) {
  auto& multi = *static_cast<CurlMulti*>(self);
  multi.due_ = ms < 0 ? EventLoop::Clock::time_point::max()
                      : multi.loop_.now() + std::chrono::milliseconds(ms);
  return 0;
}

// libcurl moves its timer several times a transfer. One that is armed and fires too early is
// cheaper than to arm it anew each time.
void CurlMulti::settle_timer() {
  if (due_ >= armed_) return;
  loop_.cancel(timer_);
  armed_ = due_;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due_ - loop_.now());
  timer_ = loop_.after(wait, [this] {
    armed_ = EventLoop::Clock::time_point::max();
    act(CURL_SOCKET_TIMEOUT, 0);
  });
}

void CurlMulti::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  if (due_ <= loop_.now())  // it wants to go on at once
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  const auto alive = alive_;
  finish();
  if (*alive) settle_timer();
}

void CurlMulti::finish() {
  // Looked for anew after each: a transfer that ends may start or remove others.
  const auto alive = alive_;
  int left = 0;
  while (*alive) {
    const CURLMsg* const message = curl_multi_info_read(multi_, &left);
    if (message == nullptr) return;
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode result = message->data.result;
    const auto found = running_.find(easy);
    if (found == running_.end()) continue;
    const Done& done = *found->second;
    running_.erase(found);
    curl_multi_remove_handle(multi_, easy);
    done(result);
  }
}

}  // namespace sluice::http
