// SPDX-License-Identifier: Apache-2.0
#include "scrape/presets.hpp"

namespace sluice::scrape {
namespace {

using config::MetricChoice;
using config::MetricsType;

Choice sum(std::vector<Alternative> alternatives) {
  return {std::move(alternatives), MetricChoice::Of::kSum};
}
Choice mean(std::vector<Alternative> alternatives) {
  return {std::move(alternatives), MetricChoice::Of::kMean};
}

// In the order of Signal. Exporters that may have no colons in names write underscores.
Choices preset(MetricsType type) {
  switch (type) {
    case MetricsType::kVllm:
      return {sum({{"vllm:num_requests_running"}, {"vllm_num_requests_running"}}),
              sum({{"vllm:num_requests_waiting"}, {"vllm_num_requests_waiting"}}),
              sum({{"vllm:request_success_total"},
                   {"vllm:request_success"},
                   {"vllm_request_success_total"}}),
              mean({{"vllm:kv_cache_usage_perc"},
                    {"vllm:gpu_cache_usage_perc"},
                    {"vllm_kv_cache_usage_perc"},
                    {"vllm_gpu_cache_usage_perc"}})};
    case MetricsType::kSglang:
      return {sum({{"sglang:num_running_reqs"}, {"sglang_num_running_reqs"}}),
              sum({{"sglang:num_queue_reqs"}, {"sglang_num_queue_reqs"}}),
              sum({{"sglang:num_requests_total"},
                   {"sglang_num_requests_total"},
                   {"sglang:e2e_request_latency_seconds_count"},
                   {"sglang_e2e_request_latency_seconds_count"}}),
              mean({{"sglang:token_usage"}, {"sglang_token_usage"}})};
    case MetricsType::kTensorRtLlm:
      return {sum({{"trtllm_num_requests_running"}, {"trtllm:num_requests_running"}}),
              sum({{"trtllm_num_requests_waiting"}, {"trtllm:num_requests_waiting"}}),
              sum({{"trtllm_request_success_total"},
                   {"trtllm:request_success_total"},
                   {"trtllm_e2e_request_latency_seconds_count"}}),
              mean({{"trtllm_kv_cache_utilization"}, {"trtllm:kv_cache_utilization"}})};
    case MetricsType::kTriton:
      return {sum({{"nv_trt_llm_request_metrics", {{"request_type", "scheduled"}}},
                   {"nv_trt_llm_request_metrics", {{"request_type", "active"}}}}),
              sum({{"nv_trt_llm_request_metrics", {{"request_type", "waiting"}}},
                   {"nv_inference_pending_request_count"}}),
              sum({{"nv_inference_request_success"}, {"nv_inference_request_success_total"}}),
              mean({{"nv_trt_llm_kv_cache_block_metrics", {{"kv_cache_block_type", "fraction"}}}})};
    case MetricsType::kTgi:
      return {sum({{"tgi_batch_current_size"}}),
              sum({{"tgi_queue_size"}, {"tgi_request_queue_size"}}),
              sum({{"tgi_request_success"},
                   {"tgi_request_success_total"},
                   {"tgi_request_duration_count"}}),
              {}};
    case MetricsType::kCustom:
      break;
  }
  return {};
}

void replace(Choice& choice, const MetricChoice& by) {
  if (by.names.empty()) return;
  choice = {{}, by.of};
  for (const auto& name : by.names) {
    Alternative alternative{name};
    for (const auto& label : by.labels)
      if (const auto equals = label.find('='); equals != std::string::npos)
        alternative.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
    choice.alternatives.push_back(std::move(alternative));
  }
}

}  // namespace

std::string_view name(Signal signal) noexcept {
  switch (signal) {
    case Signal::kRunning:
      return "running";
    case Signal::kWaiting:
      return "waiting";
    case Signal::kCompleted:
      return "completed";
    case Signal::kCache:
      break;
  }
  return "cache";
}

Choices choices_of(const config::Metrics& metrics) {
  Choices choices = preset(metrics.type);
  replace(choices[static_cast<std::size_t>(Signal::kRunning)], metrics.running);
  replace(choices[static_cast<std::size_t>(Signal::kWaiting)], metrics.waiting);
  replace(choices[static_cast<std::size_t>(Signal::kCompleted)], metrics.completed);
  replace(choices[static_cast<std::size_t>(Signal::kCache)], metrics.cache);
  return choices;
}

std::string_view path_of(MetricsType type) noexcept {
  return type == MetricsType::kTensorRtLlm ? "/prometheus/metrics" : "/metrics";
}

std::uint16_t port_of(MetricsType type) noexcept { return type == MetricsType::kTriton ? 8002 : 0; }

}  // namespace sluice::scrape
