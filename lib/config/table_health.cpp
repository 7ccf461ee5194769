// SPDX-License-Identifier: Apache-2.0
// Fields of health: active and passive checks of a pool, answers and announcements of the node.
#include "config/address_codec.hpp"
#include "config/codec.hpp"
#include "config/forms.hpp"
#include "config/health.hpp"
#include "config/tables.hpp"

namespace sluice::config {
std::shared_ptr<const Object> health_object() {
  return object<Health>(
      "health", "",
      {field("type", kRequired, kReload, &Health::type,
             Choice<CheckType>{{{"tcp", CheckType::kTcp},
                                {"http", CheckType::kHttp},
                                {"https", CheckType::kHttps},
                                {"grpc", CheckType::kGrpc},
                                {"icmp", CheckType::kIcmp},
                                {"udp", CheckType::kUdp},
                                {"command", CheckType::kCommand},
                                {"vllm", CheckType::kVllm},
                                {"sglang", CheckType::kSglang},
                                {"triton", CheckType::kTriton},
                                {"tgi", CheckType::kTgi},
                                {"ollama", CheckType::kOllama},
                                {"llama_cpp", CheckType::kLlamaCpp}}},
             "How a backend is probed: a connection, a request, grpc.health.v1, an echo by ICMP or "
             "UDP, a program's exit status; or what a server of that name answers by HTTP."),
       field("via", kOptional, kReload, &Health::via,
             Choice<Via>{{{"backend", Via::kBackend}, {"service", Via::kService}}},
             "Which way a probe takes: to the backend's own address, or as a client's packet does "
             "to the service's, which finds a backend that forgot it. `service` is for `tcp`."),
       field("port", kOptional, kReload, &Health::port, Whole{0, 65535},
             "Port of the probe; 0: the backend's own, else the service's."),
       field("path", kOptional, kReload, &Health::path, form::url_path(),
             "Path that an HTTP probe asks for; absent: what servers of the type answer, else /."),
       field("host", kOptional, kReload, &Health::host, form::host_name(),
             "Host header of an HTTP probe; absent: the backend's address."),
       field("expect_status", kOptional, kReload, &Health::expect_status, form::statuses(),
             "HTTP statuses that are good; absent: 200-299."),
       field("expect_body", kOptional, kReload, &Health::expect_body, form::argument(),
             "Text that the first 64 KiB of an HTTP answer must contain; absent: any answer."),
       field(
           "load_header", kOptional, kReload, &Health::load_header, form::header_name(),
           "Header of an HTTP answer in which the backend tells its load, a number from 0 on such "
           "as requests in service, for policy `least_load`; absent: none does."),
       field("grpc_service", kOptional, kReload, &Health::grpc_service, form::argument(),
             "Service that a gRPC probe asks for; absent: the server as a whole."),
       field("tls_name", kOptional, kReload, &Health::tls_name, form::host_name(),
             "Name that the certificate must have; absent: `host`, else the backend's address."),
       field("tls_ca", kOptional, kReload, &Health::tls_ca, form::absolute_path(kPathRule, 4095),
             "File of the certificates that are trusted; absent: the system's."),
       field("tls_verify", kOptional, kReload, &Health::tls_verify, Flag{},
             "Whether a certificate is checked at all."),
       field("command", kOptional, kReload, &Health::command, ListOf<Text>{form::argument(), 0, 64},
             "Program and arguments of type `command`; exit status 0 is good. It finds the backend "
             "in SLUICE_POOL, SLUICE_BACKEND, SLUICE_ADDRESS and SLUICE_PORT."),
       field("interval_ms", kOptional, kReload, &Health::interval, Whole{10, 3'600'000, "ms"},
             "Time between two probes of a backend."),
       field("fast_interval_ms", kOptional, kReload, &Health::fast_interval,
             Whole{0, 3'600'000, "ms"},
             "Likewise while the last answers may lead to a change; 0: no faster."),
       field("jitter", kOptional, kReload, &Health::jitter, Fractional{0, 0.5},
             "Share of the interval by which it varies, so that probes do not come in step."),
       field("timeout_ms", kOptional, kReload, &Health::timeout, Whole{1, 600'000, "ms"},
             "Time after which a probe without an answer has failed; shorter than the interval."),
       field("rise", kOptional, kReload, &Health::rise, Whole{1, 1000},
             "Good answers in a row that bring a backend up."),
       field("fall", kOptional, kReload, &Health::fall, Whole{1, 1000},
             "Failures in a row that take a backend down.")});
}

std::shared_ptr<const Object> outlier_object() {
  return object<Outlier>(
      "outlier", "",
      {field("consecutive_failures", kOptional, kReload, &Outlier::consecutive_failures,
             Whole{0, 1000}, "Failed connections in a row that eject a backend; 0: never."),
       field("silent_flows", kOptional, kReload, &Outlier::silent_flows, Whole{0, 100'000},
             "Flows that send their first packet again within the window, while no flow gets "
             "through, that eject a backend; 0: never."),
       field("window_ms", kOptional, kReload, &Outlier::window, Whole{100, 60'000, "ms"},
             "Time in which such flows are counted."),
       field("success_rate_factor", kOptional, kReload, &Outlier::success_rate_factor,
             Fractional{0, 10},
             "Standard deviations below the pool's mean rate of success that eject; 0: never."),
       field("min_backends", kOptional, kReload, &Outlier::min_backends, Whole{1, 65535},
             "Backends with enough flows that a success rate needs to be compared."),
       field("min_flows", kOptional, kReload, &Outlier::min_flows, Whole{1, 1'000'000'000},
             "Flows of a backend in an interval that are enough."),
       field("interval_s", kOptional, kReload, &Outlier::interval, Whole{1, 3600, "s"},
             "Time over which success rates are taken."),
       field("base_ejection_s", kOptional, kReload, &Outlier::base_ejection, Whole{1, 86400, "s"},
             "How long the first ejection lasts; each further one doubles it."),
       field("max_ejection_s", kOptional, kReload, &Outlier::max_ejection, Whole{1, 86400, "s"},
             "How long an ejection lasts at most; not less than `base_ejection_s`."),
       field("max_ejection_percent", kOptional, kReload, &Outlier::max_ejection_percent,
             Whole{0, 100, "%"},
             "Share of the pool's backends that may be ejected at once; one may always be.")});
}

std::shared_ptr<const Object> answer_object() {
  return object<Answer>(
      "answer", "",
      {field("addresses", kOptional, kReload, &Answer::addresses, ListOf<HostAddress>{{}, 0, 64},
             "Addresses of the node that are answered for, beside those of the services."),
       field("icmp_echo", kOptional, kReload, &Answer::icmp_echo, Flag{},
             "Whether pings are answered in the driver."),
       field("udp_port", kOptional, kReload, &Answer::udp_port, Whole{0, 65535},
             "UDP port whose packets are sent back; 0: none."),
       field("tcp_port", kOptional, kReload, &Answer::tcp_port, Whole{0, 65535},
             "TCP port where a SYN is acknowledged; 0: none."),
       field("max_age_ms", kOptional, kReload, &Answer::max_age, Whole{5, 60'000, "ms"},
             "Age of a worker's last sign of life beyond which nothing is answered.")});
}

std::shared_ptr<const Object> announce_object() {
  return object<Announce>(
      "announce", "",
      {field("link", kRequired, kRestart, &Announce::link, form::interface(),
             "Interface that has the services' addresses while the node is ready, for a routing "
             "daemon to announce."),
       field("create", kOptional, kRestart, &Announce::create, Flag{},
             "Whether an interface of that name is made where there is none; it goes with the "
             "daemon.")});
}

}  // namespace sluice::config
