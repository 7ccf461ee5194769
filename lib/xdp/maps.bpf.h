// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The maps of the XDP filter, by the names under which they are pinned. layout.h has what they
// hold.
#ifndef SLUICE_XDP_MAPS_BPF_H
#define SLUICE_XDP_MAPS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "xdp/layout.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sluice_xdp_settings);
} sluice_settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sluice_xdp_shared);
} sluice_shared SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC); /* an edge node has few services; the slow path adds them */
  __uint(max_entries, SLUICE_XDP_SERVICES);
  __type(key, struct sluice_xdp_service_key);
  __type(value, struct sluice_xdp_service);
} sluice_services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, SLUICE_XDP_ANSWERED_ADDRESSES);
  __type(key, struct sluice_xdp_service_key);
  __type(value, struct sluice_xdp_answered);
} sluice_answers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, SLUICE_XDP_WORKERS);
  __type(key, __u32);
  __type(value, struct sluice_xdp_beat);
} sluice_beats SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, SLUICE_XDP_DENIED_PREFIXES);
  __type(key, struct sluice_xdp_prefix4);
  __type(value, struct sluice_xdp_denied);
} sluice_deny4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, SLUICE_XDP_DENIED_PREFIXES);
  __type(key, struct sluice_xdp_prefix6);
  __type(value, struct sluice_xdp_denied);
} sluice_deny6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SLUICE_XDP_SYN_SLOTS);
  __type(key, __u32);
  __type(value, struct sluice_xdp_bucket);
} sluice_syn_slot SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, SLUICE_XDP_SYN_SOURCES);
  __type(key, struct sluice_xdp_service_key);
  __type(value, struct sluice_xdp_bucket);
} sluice_sources SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, SLUICE_XDP_BACKENDS);
  __type(key, struct sluice_xdp_service_key);
  __type(value, struct sluice_xdp_backend);
} sluice_backends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, SLUICE_XDP_BACKENDS);
  __type(key, __u32);
  __type(value, struct sluice_xdp_signals);
} sluice_signals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, SLUICE_XDP_EVENT_BYTES);
} sluice_events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SLUICE_XDP_COUNTS);
  __type(key, __u32);
  __type(value, struct sluice_xdp_count);
} sluice_stats SEC(".maps");

// libxdp finds the map by this name, and DPDK's driver through libxdp. Index: receive queue.
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, SLUICE_XDP_QUEUES);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} xsks_map SEC(".maps");

static __always_inline const struct sluice_xdp_settings* settings(void) {
  __u32 first = 0;

  return bpf_map_lookup_elem(&sluice_settings, &first);
}

static __always_inline struct sluice_xdp_shared* shared(void) {
  __u32 first = 0;

  return bpf_map_lookup_elem(&sluice_shared, &first);
}

#endif
