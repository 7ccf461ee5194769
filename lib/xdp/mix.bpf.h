// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A keyed hash for what nobody outside should be able to aim at. Start from a secret; the upper
// half is the better one.
#ifndef SLUICE_XDP_MIX_BPF_H
#define SLUICE_XDP_MIX_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static __always_inline __u64 mix(__u64 state, __u32 word) {
  state = (state ^ word) * 0x9e3779b97f4a7c15ULL;
  return state ^ state >> 32;
}

static __always_inline __u64 mix_address(__u64 state, const __u32* words) {
  return mix(mix(mix(mix(state, words[0]), words[1]), words[2]), words[3]);
}

#endif
