// SPDX-License-Identifier: Apache-2.0
#include "client/capture.hpp"

#include "client/answer.hpp"
#include "client/pcapng.hpp"
#include "client/text.hpp"
#include "client/view.hpp"

#include <poll.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace sluice::client {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kPath = "/api/v1/capture";

struct Copy {
  std::vector<std::byte> bytes;
  std::uint32_t length = 0;
};

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::vector<std::byte>> bytes_of(std::string_view hexadecimal) {
  if (hexadecimal.size() % 2 != 0) return std::nullopt;
  std::vector<std::byte> bytes;
  bytes.reserve(hexadecimal.size() / 2);
  for (std::size_t i = 0; i < hexadecimal.size(); i += 2) {
    const auto high = digit(hexadecimal[i]);
    const auto low = digit(hexadecimal[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(*high << 4U | *low));
  }
  return bytes;
}

tl::unexpected<Error> senseless(std::string_view what) {
  return fail(Errc::kIo, "", "the daemon's answer makes no sense: {}", what);
}

// One side of a packet; std::nullopt: it has none.
Result<std::optional<Copy>> copy_of(const json& packet, const char* side) {
  const auto found = packet.find(side);
  if (found == packet.end() || found->is_null()) return std::nullopt;
  if (!found->is_object()) return senseless("a copy is no object");
  const auto text = found->find("bytes");
  const auto length = View(*found)["length"].whole();
  if (text == found->end() || !text->is_string() || !length || *length > 0xffffffff)
    return senseless("a copy without bytes or length");
  auto bytes = bytes_of(text->get_ref<const std::string&>());
  if (!bytes || bytes->size() > *length) return senseless("a copy that is longer than its packet");
  return Copy{std::move(*bytes), static_cast<std::uint32_t>(*length)};
}

// "forward service=chat backend=llama/gpu-1 port=front worker=0"
std::string comment_on(const View& packet) {
  std::string text = packet["verdict"].text();
  for (const char* key : {"service", "backend", "port", "worker"})
    if (packet[key].present()) text += fmt::format(" {}={}", key, packet[key].text());
  return text;
}

json order_of(const Capturing& what) {
  json order = json::object();
  if (!what.service.empty()) order["service"] = what.service;
  if (!what.backend.empty()) order["backend"] = what.backend;
  if (!what.verdicts.empty()) order["verdicts"] = what.verdicts;
  if (what.sample) order["sample"] = *what.sample;
  if (what.snap) order["snap"] = *what.snap;
  if (what.count) order["count"] = *what.count;
  return order;
}

class Run {
 public:
  Run(Http& http, const Capturing& what) : http_(http), what_(what) {}

  Result<void> perform() {
    const auto started = ask(
        {std::string(kPath), order_of(what_).dump(-1, ' ', false, json::error_handler_t::replace)});
    if (!started) return forward_error(started);
    const auto id = View(*started)["id"].whole();
    if (!id) return senseless("a capture without a number");
    id_ = *id;
    auto file = PcapngWriter::create(what_.file, what_.application);
    if (!file) {
      (void)stop();  // what is wrong with the file is the error
      return forward_error(file);
    }
    auto done = follow(*file);
    if (running_) {
      const auto stopped = stop();
      if (done && !stopped) done = stopped;
    }
    return done;
  }

  [[nodiscard]] std::string summary() const {
    if (what_.json)
      return json{{"file", printable(what_.file)},
                  {"packets", packets_},
                  {"records", records_},
                  {"lost", lost_}}
                 .dump() +
             "\n";
    return fmt::format("{}, as {} before and after the rewrite, in {}; {} lost\n",
                       plural(packets_, "packet"), plural(records_, "record"),
                       printable(what_.file), lost_);
  }

 private:
  Result<json> ask(const Request& request) {
    const auto answer = http_.send(request);
    if (!answer) return forward_error(answer);
    if (answer->status < 200 || answer->status >= 300) return tl::unexpected(refusal(*answer));
    return parse_answer(answer->body);
  }

  Result<void> stop() {
    running_ = false;
    const auto stopped = ask({fmt::format("{}/stop?id={}", kPath, id_), ""});
    if (!stopped) return forward_error(stopped);
    return {};
  }

  Result<void> follow(PcapngWriter& file) {
    const auto begun = Clock::now();
    for (;;) {
      const bool over =
          what_.seconds && Clock::now() - begun >= std::chrono::seconds(*what_.seconds);
      if (running_ && (over || rest(std::chrono::milliseconds(0)))) {
        if (auto stopped = stop(); !stopped) return stopped;
        ::poll(nullptr, 0, static_cast<int>(what_.pause.count()));  // bursts may be under way
      }
      const auto answer = ask({fmt::format("{}?id={}&from={}", kPath, id_, next_), std::nullopt});
      if (!answer) return forward_error(answer);
      const auto wrote = take(*answer, file);
      if (!wrote) return forward_error(wrote);
      if (auto kept = file.flush(); !kept) return kept;
      if (*wrote != 0) continue;
      if (!running_) return {};
      (void)rest(what_.pause);
    }
  }

  // @return how many packets the answer had.
  Result<std::size_t> take(const json& answer, PcapngWriter& file) {
    const View view(answer);
    const auto next = view["next"].whole();
    const auto lost = view["lost"].whole();
    const auto packets = answer.is_object() ? answer.find("packets") : answer.end();
    if (!next || !lost || packets == answer.end() || !packets->is_array() ||
        (*next <= next_ && !packets->empty()))
      return senseless("packets that do not go on");
    for (const auto& packet : *packets) {
      if (const auto wrote = write(packet, file); !wrote) return forward_error(wrote);
    }
    packets_ += packets->size();
    next_ = *next;
    lost_ = *lost;
    if (!view["running"].is_true()) running_ = false;
    return packets->size();
  }

  Result<void> write(const json& packet, PcapngWriter& file) {
    const View view(packet);
    const auto at = view["at_ns"].whole();
    if (!at) return senseless("a packet without a time");
    const auto comment = comment_on(view);
    using Side = PcapngWriter::Side;
    for (const auto& [key, side] : {std::pair("before", Side::kBefore), {"after", Side::kAfter}}) {
      const auto copy = copy_of(packet, key);
      if (!copy) return forward_error(copy);
      if (!*copy) continue;
      file.write(side, *at, (*copy)->bytes, (*copy)->length, comment);
      ++records_;
    }
    return {};
  }

  // Waits, but not longer than until the user wants to stop. @return whether he does.
  [[nodiscard]] bool rest(std::chrono::milliseconds how_long) const {
    pollfd asked{what_.interrupt, POLLIN, 0};  // a negative descriptor is never ready
    return ::poll(&asked, 1, static_cast<int>(how_long.count())) == 1;
  }

  Http& http_;
  const Capturing& what_;
  std::uint64_t id_ = 0;
  std::uint64_t next_ = 0;  // number of the next packet
  bool running_ = true;
  std::uint64_t packets_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace

Result<void> capture_packets(Http& http, Output& output, const Capturing& what) {
  Run run(http, what);
  if (auto done = run.perform(); !done) return done;
  output.print(run.summary());
  return {};
}

}  // namespace sluice::client
