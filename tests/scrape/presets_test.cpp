// SPDX-License-Identifier: Apache-2.0
#include "scrape/presets.hpp"

#include "scrape/reading.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace sluice::scrape {
namespace {

using config::MetricsType;

Reading reading_of(const config::Metrics& metrics, std::string_view text) {
  Gathering gathering(std::make_shared<const Choices>(choices_of(metrics)));
  ExpositionReader reader([&](std::string_view name) { return gathering.wants(name); },
                          [&](const Sample& sample) { gathering.take(sample); });
  EXPECT_TRUE(reader.take(text));
  const auto read = reader.end();
  EXPECT_TRUE(read);
  EXPECT_EQ(read ? read->bad : 1U, 0U);
  return gathering.finish(Time{});
}

/// What an engine's text means; the texts are cut down from what such servers show.
struct Engine {
  MetricsType type;
  const char* text;
  double running;
  double waiting;
  double completed;
  std::optional<double> cache;
};

class Preset : public testing::TestWithParam<Engine> {};

TEST_P(Preset, FindsEverySignalOfItsServer) {
  const auto reading = reading_of({.type = GetParam().type}, GetParam().text);
  EXPECT_EQ(reading.running, GetParam().running);
  EXPECT_EQ(reading.waiting, GetParam().waiting);
  EXPECT_EQ(reading.completed, GetParam().completed);
  EXPECT_EQ(reading.cache, GetParam().cache);
  EXPECT_EQ(reading.trouble(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Engines, Preset,
    testing::Values(
        Engine{MetricsType::kVllm,
               "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\n"
               "vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 2.0\n"
               "vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 1.0\n"
               "vllm:num_requests_waiting{engine=\"1\",model_name=\"m\"} 0.0\n"
               "vllm:request_success_total{engine=\"0\",finished_reason=\"stop\"} 100.0\n"
               "vllm:request_success_total{engine=\"0\",finished_reason=\"length\"} 23.0\n"
               "vllm:kv_cache_usage_perc{engine=\"0\"} 0.5\n"
               "vllm:kv_cache_usage_perc{engine=\"1\"} 0.25\n"
               "vllm:gpu_cache_usage_perc{engine=\"0\"} 0.9\n",
               5, 1, 123, 0.375},
        Engine{MetricsType::kVllm,
               "vllm:num_requests_running 3\nvllm:num_requests_waiting 4\n"
               "vllm:request_success_total 5\nvllm:gpu_cache_usage_perc 0.75\n",
               3, 4, 5, 0.75},
        Engine{MetricsType::kSglang,
               "sglang:num_running_reqs{model_name=\"m\"} 7.0\n"
               "sglang:num_queue_reqs{model_name=\"m\"} 2.0\n"
               "sglang:num_requests_total{model_name=\"m\"} 80.0\n"
               "sglang:token_usage{model_name=\"m\"} 0.28\n",
               7, 2, 80, 0.28},
        Engine{MetricsType::kTensorRtLlm,
               "trtllm_num_requests_running 4\ntrtllm_num_requests_waiting 6\n"
               "trtllm_request_success_total{finished_reason=\"stop\"} 9\n"
               "trtllm_kv_cache_utilization 0.5\n",
               4, 6, 9, 0.5},
        Engine{
            MetricsType::kTriton,
            "nv_trt_llm_request_metrics{model=\"m\",request_type=\"context\",version=\"1\"} 1\n"
            "nv_trt_llm_request_metrics{model=\"m\",request_type=\"scheduled\",version=\"1\"} 5\n"
            "nv_trt_llm_request_metrics{model=\"m\",request_type=\"max\",version=\"1\"} 512\n"
            "nv_trt_llm_request_metrics{model=\"m\",request_type=\"waiting\",version=\"1\"} 8\n"
            "nv_inference_pending_request_count{model=\"m\",version=\"1\"} 3\n"
            "nv_inference_request_success{model=\"m\",version=\"1\"} 44\n"
            "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"max\",model=\"m\"} 100\n"
            "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\",model=\"m\"} 0.1\n",
            5, 8, 44, 0.1},
        Engine{MetricsType::kTgi,
               "tgi_batch_current_size 6\ntgi_queue_size 1\ntgi_batch_current_max_tokens 4096\n"
               "tgi_request_success{kind=\"batch\"} 10\ntgi_request_count 12\n",
               6, 1, 10, std::nullopt}));

TEST(Presets, ConfiguredNamesTakeThePlaceOfTheTypesOwnAndOnlyThose) {
  config::Metrics metrics;
  metrics.type = MetricsType::kVllm;
  metrics.running = {.names = {"absent", "busy"},
                     .labels = {"kind=gpu", "path=a=b"},
                     .of = config::MetricChoice::Of::kMax};
  const auto reading = reading_of(metrics,
                                  "busy{kind=\"gpu\",path=\"a=b\"} 4\n"
                                  "busy{kind=\"gpu\",path=\"a=b\",n=\"2\"} 9\n"
                                  "busy{kind=\"cpu\",path=\"a=b\"} 50\n"
                                  "vllm:num_requests_running 1\n"
                                  "vllm:num_requests_waiting 3\n");
  EXPECT_EQ(reading.running, 9);
  EXPECT_EQ(reading.waiting, 3);
}

TEST(Presets, TypeCustomKnowsNoNamesOfItsOwn) {
  for (const auto& choice : choices_of({.type = MetricsType::kCustom}))
    EXPECT_TRUE(choice.alternatives.empty());
}

TEST(Presets, ServersThatShowTheirMetricsElsewhereAreAskedThere) {
  EXPECT_EQ(path_of(MetricsType::kVllm), "/metrics");
  EXPECT_EQ(path_of(MetricsType::kTensorRtLlm), "/prometheus/metrics");
  EXPECT_EQ(port_of(MetricsType::kTriton), 8002);
  EXPECT_EQ(port_of(MetricsType::kVllm), 0);
}

}  // namespace
}  // namespace sluice::scrape
