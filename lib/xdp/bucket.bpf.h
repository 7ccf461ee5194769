// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Token bucket in one word, for maps that many CPUs write.
#ifndef SLUICE_XDP_BUCKET_BPF_H
#define SLUICE_XDP_BUCKET_BPF_H

#include <linux/bpf.h>

#include <stdbool.h>

#include <bpf/bpf_helpers.h>

// The word says when the bucket is full again, in nanoseconds of bpf_ktime_get_ns(): in the past,
// it is full. A packet moves that time on by `cost`, and may as long as it stays within `room` from
// now. Only the addition is atomic: packets that come in the same instant to n CPUs may take n - 1
// tokens too many, once, and no more.
static __always_inline bool has_token(const __u64* full_at, __u64 now, __u64 cost, __u64 room) {
  __u64 at = *(const volatile __u64*)full_at;

  return (__s64)(at - now) <= 0 ? cost <= room : at + cost - now <= room;
}

static __always_inline void take_token(__u64* full_at, __u64 now, __u64 cost) {
  if ((__s64)(*(volatile __u64*)full_at - now) < 0) *(volatile __u64*)full_at = now;
  __sync_fetch_and_add(full_at, cost);
}

#endif
