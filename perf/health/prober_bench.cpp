// SPDX-License-Identifier: Apache-2.0
// What active checks cost: a thousand backends, each asked once a second, against real servers on
// loopback. Unit: probes. `cpu_us_per_probe` is the time of the thread that probes alone, kernel
// included (on loopback that is also the kernel's work for the server's side of each packet);
// `core_percent` is its share of one core while it runs.
#include "health/prober.hpp"

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <ctime>
#include <thread>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;

constexpr std::size_t kBackends = 1000;
constexpr auto kInterval = 1000ms;
constexpr auto kMeasured = 3s;

const std::string kHttpAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: "
    "close\r\n\r\nok";

std::string frame(char type, char flags, std::string_view payload, char stream = 1) {
  return std::string{'\0', '\0', static_cast<char>(payload.size()), type, flags, 0, 0, 0, stream} +
         std::string(payload);
}

// HTTP/2: settings, headers, a HealthCheckResponse that says SERVING, trailers.
std::string grpc_answer() {
  using namespace std::string_view_literals;
  return frame(4, 0, "", 0) + frame(1, 4, "\x88"sv) + frame(0, 0, "\0\0\0\0\2\x08\1"sv) +
         frame(1, 5, "\0\x0bgrpc-status\1\x30"sv);
}

/// Serves all of 127.0.0.0/8 by TCP: reads to the end of a question, answers, waits for the close.
class TcpServer {
 public:
  TcpServer(std::string question_end, std::string answer)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const SocketAddress any(IpAddress{}, 0);
    (void)::bind(listener_.get(), any.get(), any.length);
    (void)::listen(listener_.get(), 1024);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    port_ = ntohs(bound.sin_port);
    thread_ = std::thread([this, end = std::move(question_end), answer = std::move(answer)] {
      ::pthread_setname_np(::pthread_self(), "server");
      std::array<char, 1024> part;
      while (true) {
        const UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd) return;
        std::string question;
        ssize_t n = 1;
        while (!question.ends_with(end) && (n = ::recv(fd.get(), part.data(), part.size(), 0)) > 0)
          question.append(part.data(), static_cast<std::size_t>(n));
        if (n <= 0) continue;
        (void)!::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        while (::recv(fd.get(), part.data(), part.size(), 0) > 0) {
        }
      }
    });
  }
  ~TcpServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

class UdpServer {
 public:
  UdpServer() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const SocketAddress any(IpAddress{}, 0);
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    (void)::bind(fd_.get(), any.get(), any.length);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    port_ = ntohs(bound.sin_port);
    thread_ = std::thread([this] {
      std::array<char, 64> data;
      alignas(cmsghdr) std::array<char, 128> control;
      sockaddr_in from{};
      iovec one{data.data(), data.size()};
      while (true) {
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &one;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        one.iov_len = data.size();
        const ssize_t n = ::recvmsg(fd_.get(), &message, 0);
        if (n <= 0) return;
        one.iov_len = static_cast<std::size_t>(n);
        ::sendmsg(fd_.get(), &message, 0);  // from the address that was asked
      }
    });
  }
  ~UdpServer() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

double cpu_microseconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e6 + static_cast<double>(spent.tv_nsec) / 1e3;
}

IpAddress backend(std::size_t i) {
  return IpAddress::v4(
      {127, 1, static_cast<std::uint8_t>(i / 250), static_cast<std::uint8_t>(1 + i % 250)});
}

void report(benchmark::State& state, double cpu, double wall, std::size_t probes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(probes));
  state.counters["cpu_us_per_probe"] = cpu / static_cast<double>(probes);
  state.counters["core_percent"] = 100 * cpu / wall;
}

void watch(benchmark::State& state, CheckType type, std::uint16_t port) {
  auto loop = EventLoop::open().value();
  auto prober = Prober::open(*loop, {.seed = 1}).value();
  std::size_t good = 0;
  std::size_t bad = 0;
  prober->on_outcome([&](const Target&, const Outcome& outcome) { ++(outcome.ok() ? good : bad); });
  std::vector<Target> targets;
  for (std::size_t i = 0; i < kBackends; ++i) {
    Target target{"pool", "backend-" + std::to_string(i), backend(i), port, {}};
    target.check.type = type;
    target.check.interval = kInterval;
    targets.push_back(std::move(target));
  }
  prober->set_targets(std::move(targets));
  const auto run = [&](std::chrono::nanoseconds time) {
    for (const auto end = EventLoop::Clock::now() + time; EventLoop::Clock::now() < end;)
      loop->turn(50ms);
  };
  for (auto _ : state) {
    run(kInterval);  // all have been asked once
    good = bad = 0;
    const double before = cpu_microseconds();
    const auto start = EventLoop::Clock::now();
    run(kMeasured);
    const std::chrono::duration<double, std::micro> wall = EventLoop::Clock::now() - start;
    report(state, cpu_microseconds() - before, wall.count(), good + bad);
    if (bad != 0) state.SkipWithError("probes failed");
  }
}

void BM_Tcp(benchmark::State& state) {
  const TcpServer server("never", "");
  watch(state, CheckType::kTcp, server.port());
}

void BM_Http(benchmark::State& state) {
  const TcpServer server("\r\n\r\n", kHttpAnswer);
  watch(state, CheckType::kHttp, server.port());
}

void BM_Grpc(benchmark::State& state) {
  const TcpServer server(frame(0, 1, std::string(5, '\0')), grpc_answer());
  watch(state, CheckType::kGrpc, server.port());
}

void BM_Udp(benchmark::State& state) {
  const UdpServer server;
  watch(state, CheckType::kUdp, server.port());
}

void BM_Icmp(benchmark::State& state) { watch(state, CheckType::kIcmp, 0); }

/// The least that a probe by HTTP can cost: connect, send, wait, receive, close by reset, one after
/// the other, at the same pace.
void BM_Floor(benchmark::State& state) {
  const TcpServer server("\r\n\r\n", kHttpAnswer);
  const std::string question = "GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
  for (auto _ : state) {
    const double before = cpu_microseconds();
    const auto start = EventLoop::Clock::now();
    constexpr std::size_t kProbes = 3000;
    for (std::size_t i = 0; i < kProbes; ++i) {
      const SocketAddress to(backend(i % kBackends), server.port());
      const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const linger reset{1, 0};
      ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      (void)::connect(fd.get(), to.get(), to.length);
      pollfd wait{fd.get(), POLLOUT, 0};
      ::poll(&wait, 1, -1);
      (void)!::send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL);
      wait.events = POLLIN;
      ::poll(&wait, 1, -1);
      std::array<char, 4096> answer;
      benchmark::DoNotOptimize(::recv(fd.get(), answer.data(), answer.size(), 0));
      std::this_thread::sleep_until(start + (i + 1) * 1ms);
    }
    const std::chrono::duration<double, std::micro> wall = EventLoop::Clock::now() - start;
    report(state, cpu_microseconds() - before, wall.count(), kProbes);
  }
}

BENCHMARK(BM_Floor)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Tcp)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Http)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Grpc)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Udp)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Icmp)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::health

BENCHMARK_MAIN();
