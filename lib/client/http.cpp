// SPDX-License-Identifier: Apache-2.0
#include "client/http.hpp"

#include "base/assert.hpp"
#include "client/text.hpp"

#include <curl/curl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace sluice::client {
namespace {

constexpr int kPollMs = 1000;

constexpr std::string_view kStart =
    "start it with `sluiced run --config FILE`, or name its socket with --socket";

std::string owner_name(uid_t id) {
  const passwd* entry = ::getpwuid(id);
  return entry != nullptr ? entry->pw_name : std::to_string(id);
}

std::string group_name(gid_t id) {
  const group* entry = ::getgrgid(id);
  return entry != nullptr ? entry->gr_name : std::to_string(id);
}

// Collects one answer. Headers count too: an endless header is as bad as an endless body.
struct Collector {
  std::string body;
  std::size_t received = 0;
  bool too_long = false;

  bool take(std::size_t bytes) {
    received += bytes;
    too_long = received > kLongestAnswer;
    return !too_long;
  }
};

std::size_t on_body(char* at, std::size_t, std::size_t bytes, void* to) {
  auto& collector = *static_cast<Collector*>(to);
  if (!collector.take(bytes)) return 0;
  collector.body.append(at, bytes);
  return bytes;
}

std::size_t on_header(char*, std::size_t, std::size_t bytes, void* to) {
  return static_cast<Collector*>(to)->take(bytes) ? bytes : 0;
}

}  // namespace

struct Http::Handles {
  CURLM* multi = curl_multi_init();
  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;

  Handles() {
    SLUICE_ASSERT(multi != nullptr && easy != nullptr, "libcurl gives handles");
    // "Expect:" off: it would cost a round trip, or a second where it is not answered.
    for (const char* line :
         {"Content-Type: application/json", "Accept: application/json", "Expect:"})
      headers = curl_slist_append(headers, line);
  }
  ~Handles() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
};

std::string escaped(std::string_view part) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : part) {
    if (kPlain.find(c) != kPlain.npos)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Error connect_failure(const std::string& path, int reason) {
  const auto shown = printable(path);
  struct stat about {};
  const bool seen = ::stat(path.c_str(), &about) == 0;
  switch (reason) {
    case ENOENT:
    case ENOTDIR:
      return {
          Errc::kNotFound, "",
          fmt::format("no daemon at {} (no such socket); is sluiced running? {}", shown, kStart)};
    case ECONNREFUSED:
      if (seen && !S_ISSOCK(about.st_mode))
        return {Errc::kIo, "",
                fmt::format("{} is not a socket; name the daemon's with --socket", shown)};
      return {
          Errc::kIo, "",
          fmt::format("no daemon at {} (stale socket: nobody listens, a daemon that ended left it "
                      "behind); {}",
                      shown, kStart)};
    case EACCES:
    case EPERM: {
      if (seen)
        return {
            Errc::kIo, "",
            fmt::format("not permitted to use {} (owner {}, group {}, mode {:04o}); run as root or "
                        "as a member of group {}",
                        shown, owner_name(about.st_uid), group_name(about.st_gid),
                        about.st_mode & 07777U, group_name(about.st_gid))};
      const auto folder = std::filesystem::path(path).parent_path().string();
      return {
          Errc::kIo, "",
          fmt::format("not permitted to use {} (a folder on the way, {}, cannot be entered); run "
                      "as root or as a member of its group",
                      shown, printable(folder))};
    }
    case 0:  // what curl makes of EAGAIN: the queue of waiting connections is full
    case EAGAIN:
      return {
          Errc::kIo, "",
          fmt::format("the daemon at {} takes no more connections; it is busy or hangs: try again, "
                      "look at its log",
                      shown)};
    default:
      return {Errc::kIo, "", fmt::format("cannot connect to {}: {}", shown, std::strerror(reason))};
  }
}

namespace {

Error transfer_failure(const std::string& socket, CURL* easy, CURLcode code, bool too_long,
                       std::chrono::milliseconds limit) {
  const auto shown = printable(socket);
  if (too_long)
    return {Errc::kExhausted, "",
            fmt::format("the answer of the daemon at {} is longer than {} MiB", shown,
                        kLongestAnswer >> 20U)};
  switch (code) {
    case CURLE_COULDNT_CONNECT: {
      long reason = 0;
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &reason);
      return connect_failure(socket, static_cast<int>(reason));
    }
    case CURLE_OPERATION_TIMEDOUT:
      return {
          Errc::kIo, "",
          fmt::format("no answer from the daemon at {} within {} s; it may hang: look at its log",
                      shown, std::chrono::duration<double>(limit).count())};
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return {
          Errc::kIo, "",
          fmt::format("the daemon at {} closed the connection before its answer was complete; it "
                      "may have ended: look at its log",
                      shown)};
    default:
      return {Errc::kIo, "",
              fmt::format("the answer of the daemon at {} is not HTTP ({})", shown,
                          curl_easy_strerror(code))};
  }
}

}  // namespace

Http::Http(std::string socket, std::chrono::milliseconds limit)
    : socket_(std::move(socket)), limit_(limit), handles_(std::make_unique<Handles>()) {}

Http::~Http() = default;

Result<Answer> Http::send(const Request& request) {
  auto answer = perform(request, limit_, {}, [] { return false; });
  if (!answer) return forward_error(answer);
  return std::move(**answer);
}

Result<std::optional<Answer>> Http::send_until(const Request& request, std::span<const int> watched,
                                               const std::function<bool()>& stop) {
  return perform(request, std::chrono::milliseconds(0), watched, stop);
}

Result<std::optional<Answer>> Http::perform(const Request& request, std::chrono::milliseconds limit,
                                            std::span<const int> watched,
                                            const std::function<bool()>& stop) {
  if (socket_.empty() || socket_.size() >= sizeof(sockaddr_un::sun_path))
    return fail(Errc::kInvalid, "--socket", "'{}' has {} bytes; the name of a socket has 1 to {}",
                clip(printable(socket_), 80), socket_.size(), sizeof(sockaddr_un::sun_path) - 1);
  Collector collector;
  auto* easy = handles_->easy;
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  curl_easy_setopt(easy, CURLOPT_URL, ("http://localhost" + request.target).c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a pool may be called ".."
  curl_easy_setopt(easy, CURLOPT_PROXY, "");       // http_proxy of the environment is not for us
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, handles_->headers);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);  // so no request is ever sent twice by itself
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limit_.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(limit.count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &collector);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &collector);
  if (request.body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body->c_str());
  }

  std::vector<curl_waitfd> wait;
  for (const int fd : watched)
    if (fd >= 0) wait.push_back({fd, CURL_WAIT_POLLIN, 0});
  curl_multi_add_handle(handles_->multi, easy);
  bool stopped = false;
  CURLcode code = CURLE_OK;
  for (int running = 1; running != 0 && !stopped;) {
    curl_multi_perform(handles_->multi, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(handles_->multi, &left))
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    if (running == 0) break;
    curl_multi_poll(handles_->multi, wait.data(), static_cast<unsigned>(wait.size()), kPollMs,
                    nullptr);
    stopped = stop();
  }
  curl_multi_remove_handle(handles_->multi, easy);
  if (stopped) return std::optional<Answer>();
  if (code != CURLE_OK)
    return tl::unexpected(transfer_failure(socket_, easy, code, collector.too_long, limit_));
  Answer answer{0, std::move(collector.body)};
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
  return std::optional<Answer>(std::move(answer));
}

}  // namespace sluice::client
