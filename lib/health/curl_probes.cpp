// SPDX-License-Identifier: Apache-2.0
#include "health/curl_probes.hpp"

#include "health/grpc_health.hpp"
#include "health/http_answer.hpp"
#include "http/curl_multi.hpp"

#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sluice::health {
namespace {

struct EasyEnd {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct ListEnd {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListEnd>;

void append(List& list, const std::string& line) {
  if (curl_slist* const longer = curl_slist_append(list.get(), line.c_str()); longer != nullptr) {
    (void)list.release();
    list.reset(longer);
  }
}

std::string in_url(const IpAddress& address) {
  return address.is_v4() ? address.text() : '[' + address.text() + ']';
}

Fault fault_of(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return Fault::kNone;
    case CURLE_COULDNT_CONNECT:
      return Fault::kRefused;
    case CURLE_OPERATION_TIMEDOUT:
      return Fault::kTimeout;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return Fault::kReset;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
      return Fault::kTls;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WRITE_ERROR:
      return Fault::kProtocol;
    default:
      return Fault::kLocal;  // no memory, no file of authorities, an option refused
  }
}

class CurlProbe final : public Probe {
 public:
  CurlProbe(std::shared_ptr<http::CurlMulti> multi, const Target& target, Answered answered)
      : multi_(std::move(multi)), check_(target.check), answered_(std::move(answered)) {
    if (easy_ != nullptr && !configure(target)) easy_.reset();
  }
  ~CurlProbe() override { give_up(); }

  void ask() override {
    if (easy_ == nullptr) return answered_({Fault::kLocal, "libcurl does not take the check"});
    answer_ = {};
    body_.clear();
    load_.reset();
    header_bytes_ = 0;
    enough_ = too_long_ = false;
    error_.front() = '\0';
    socket_error_ = 0;
    if (const CURLMcode taken = multi_->start(easy_.get(), done_); taken != CURLM_OK)
      answered_({Fault::kLocal, curl_multi_strerror(taken)});
  }

  void give_up() noexcept override {
    if (easy_ != nullptr) multi_->remove(easy_.get());
  }

 private:
  template <class V>
  void set(CURLoption option, V value) {
    taken_ &= curl_easy_setopt(easy_.get(), option, value) == CURLE_OK;
  }

  bool configure(const Target& target) {
    const bool grpc = check_.type == config::CheckType::kGrpc;
    const bool tls = check_.type == config::CheckType::kHttps;
    const std::string address = in_url(target.address);
    std::string name = address;
    if (tls && !(check_.tls_name.empty() && check_.host.empty())) {
      // The certificate is judged by the name in the URL; where to connect to is said beside it.
      name = check_.tls_name.empty() ? check_.host : check_.tls_name;
      append(connect_to_, fmt::format("::{}:{}", address, target.port));
      set(CURLOPT_CONNECT_TO, connect_to_.get());
    }
    set(CURLOPT_URL, fmt::format("{}://{}:{}{}", tls ? "https" : "http", name, target.port,
                                 grpc ? kGrpcHealthPath : "/")
                         .c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, "");  // whatever the environment says
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TCP_NODELAY, 0L);        // one question, sent at once in any case
    set(CURLOPT_DNS_CACHE_TIMEOUT, 0L);  // addresses only; the cache is walked for each question
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, 3'600'000L);  // time-outs are the asker's
    set(CURLOPT_BUFFERSIZE, 4096L);
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_OPENSOCKETFUNCTION, &CurlProbe::on_open);
    set(CURLOPT_OPENSOCKETDATA, this);
    set(CURLOPT_HEADERFUNCTION, &CurlProbe::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &CurlProbe::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_USERAGENT, "sluice-health");
    if (grpc) {
      request_ = grpc_health_request(check_.grpc_service);
      set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE});
      set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request_.size()));
      set(CURLOPT_POSTFIELDS, request_.data());
      append(headers_, "Content-Type: application/grpc");
      append(headers_, "TE: trailers");
    } else {
      set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
      set(CURLOPT_REQUEST_TARGET, std::string(check_.path_asked()).c_str());
      append(headers_, "Connection: close");
      append(headers_, "Host: " + (check_.host.empty() ? host_and_port(target.address, target.port)
                                                       : check_.host));
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
    if (tls) configure_tls();
    return taken_;
  }

  void configure_tls() {
    const long verify = check_.tls_verify ? 1L : 0L;
    set(CURLOPT_SSL_VERIFYPEER, verify);
    set(CURLOPT_SSL_VERIFYHOST, 2 * verify);
    set(CURLOPT_SSL_SESSIONID_CACHE, 0L);  // a resumed session shows no certificate
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    if (!check_.tls_ca.empty()) set(CURLOPT_CAINFO, check_.tls_ca.c_str());
    set(CURLOPT_CA_CACHE_TIMEOUT, 60L);  // seconds until a file that was replaced is read
  }

  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* to) {
    const int fd = ::socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
    if (fd < 0) {
      static_cast<CurlProbe*>(self)->socket_error_ = errno;
      return CURL_SOCKET_BAD;
    }
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
  }

  static std::size_t on_header(char* at, std::size_t, std::size_t bytes, void* self) {
    auto& probe = *static_cast<CurlProbe*>(self);
    probe.header_bytes_ += bytes;
    if (probe.header_bytes_ > kLongestHeaders) {
      probe.too_long_ = true;
      return 0;
    }
    probe.take_header({at, bytes});
    return bytes;
  }

  // Two headers of gRPC are of interest, in the head of the answer or behind its body; of HTTPS the
  // one that tells the load.
  void take_header(std::string_view line) {
    while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
    if (const auto load = load_in(line, check_.load_header)) load_ = load;
    const auto value_of = [&](std::string_view key) -> std::optional<std::string_view> {
      if (line.size() <= key.size() || line[key.size()] != ':' ||
          ::strncasecmp(line.data(), key.data(), key.size()) != 0)
        return std::nullopt;
      std::string_view value = line.substr(key.size() + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      return value;
    };
    if (const auto status = value_of("grpc-status")) answer_.grpc_status = std::string(*status);
    if (const auto message = value_of("grpc-message")) answer_.grpc_message = std::string(*message);
  }

  static std::size_t on_body(char* at, std::size_t, std::size_t bytes, void* self) {
    return static_cast<CurlProbe*>(self)->take_body({at, bytes}) ? bytes : 0;
  }

  bool take_body(std::string_view part) {
    if (check_.type != config::CheckType::kGrpc) {
      enough_ = !body_.take(part);
      return !enough_;
    }
    too_long_ = answer_.body.size() + part.size() > kLongestBody;
    if (!too_long_) answer_.body.append(part);
    return !too_long_;
  }

  void done(CURLcode code) {
    Finding finding = judge(code);
    answer_ = {};  // a thousand of them would hold 64 MB
    body_.clear();
    answered_(std::move(finding));
  }

  Finding judge(CURLcode code) {
    if (too_long_) return {Fault::kProtocol, "a longer answer than is read"};
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && enough_)) return broken(code);
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer_.http_status);
    if (check_.type == config::CheckType::kGrpc) return judge_grpc(answer_);
    Finding finding =
        judge_http(check_, static_cast<unsigned>(std::max(answer_.http_status, 0L)), body_.kept());
    finding.load = load_;
    return finding;
  }

  Finding broken(CURLcode code) const {
    if (socket_error_ != 0)
      return {Fault::kLocal, failed_by(socket_error_, "make a socket").detail};
    long error = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
    if (code == CURLE_COULDNT_CONNECT && error != 0)
      return failed_by(static_cast<int>(error), "connect");
    const char* const text = error_.front() != '\0' ? error_.data() : curl_easy_strerror(code);
    return {fault_of(code), text};
  }

  std::shared_ptr<http::CurlMulti> multi_;
  config::Health check_;
  Answered answered_;
  http::CurlMulti::Done done_ = [this](CURLcode code) { done(code); };
  std::unique_ptr<CURL, EasyEnd> easy_{curl_easy_init()};
  List headers_;
  List connect_to_;
  std::string request_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  GrpcAnswer answer_;
  AnswerBody body_{check_.expect_body};
  std::optional<double> load_;
  std::size_t header_bytes_ = 0;
  int socket_error_ = 0;
  bool taken_ = true;    // libcurl took every option
  bool enough_ = false;  // the rest of the body does not matter
  bool too_long_ = false;
};

}  // namespace

CurlProbes::~CurlProbes() = default;

Result<std::unique_ptr<CurlProbes>> CurlProbes::open(EventLoop& loop) {
  auto plain = http::CurlMulti::open(loop);
  if (!plain) return forward_error(plain);
  auto made = std::unique_ptr<CurlProbes>(new CurlProbes(loop));
  made->plain_ = std::move(*plain);
  made->multis_.emplace("", made->plain_);
  return made;
}

std::unique_ptr<Probe> CurlProbes::make(const Target& target, Probe::Answered answered) {
  std::erase_if(multis_, [](const auto& each) { return each.second.expired(); });
  std::shared_ptr<http::CurlMulti> multi = multis_[target.check.tls_ca].lock();
  if (multi == nullptr) {
    auto opened = http::CurlMulti::open(loop_);
    if (!opened) return make_no_probe(opened.error().text(), std::move(answered));
    multi = std::move(*opened);
    multis_[target.check.tls_ca] = multi;
  }
  return std::make_unique<CurlProbe>(multi, target, std::move(answered));
}

}  // namespace sluice::health
