// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// First duty: who may not come in. Denied prefixes, and sources that open connections too fast.
#ifndef SLUICE_XDP_ADMIT_BPF_H
#define SLUICE_XDP_ADMIT_BPF_H

#include "xdp/bucket.bpf.h"
#include "xdp/frame.bpf.h"
#include "xdp/maps.bpf.h"
#include "xdp/mix.bpf.h"

static __always_inline bool is_syn(const struct packet* p) {
  return p->kind == KIND_TCP && (p->bits & (SYN | ACK | RST | FIN)) == SYN;
}

static __always_inline bool is_denied(const struct packet* p, const struct sluice_xdp_settings* s) {
  if (p->to.family == 4) {
    struct sluice_xdp_prefix4 key;

    if (!(s->flags & SLUICE_XDP_DENY4)) return false;
    key.length = 32;
    key.address = p->from[0];
    return bpf_map_lookup_elem(&sluice_deny4, &key);
  } else {
    struct sluice_xdp_prefix6 key;

    if (!(s->flags & SLUICE_XDP_DENY6)) return false;
    key.length = 128;
    __builtin_memcpy(key.address, p->from, sizeof(key.address));
    return bpf_map_lookup_elem(&sluice_deny6, &key);
  }
}

// Whether the source of `p`, a SYN for a service, has sent too many. Two levels, since an attacker
// writes into a SYN whatever source he likes: a source first takes from a slot that it shares with
// others by hash, where nothing is ever evicted. Only when the slot is used up the source gets a
// bucket of its own, so that it answers for itself alone. A million sources that are seen once each
// thus evict nobody's bucket. What a source takes from its own counts for its slot, too; so both
// together never let more pass than one bucket would. See docs/design/xdp-filter.md.
__noinline int syn_is_over_limit(const struct packet* p) {
  const struct sluice_xdp_settings* s = settings();
  struct sluice_xdp_bucket *slot, *own, first;
  struct sluice_xdp_service_key source;
  __u64 now = bpf_ktime_get_ns();
  __u32 index, i;

  if (!p || !s) return false;  // never: the verifier does not know the callers
  __builtin_memset(&source, 0, sizeof(source));
  source.family = p->to.family;
  if (source.family == 4) {
    source.address[0] = p->from[0] & s->syn_mask4;
  } else {
#pragma unroll
    for (i = 0; i < 4; ++i) source.address[i] = p->from[i] & s->syn_mask6[i];
  }
  index = (__u32)(mix_address(s->secret, source.address) >> 32) & (SLUICE_XDP_SYN_SLOTS - 1);
  slot = bpf_map_lookup_elem(&sluice_syn_slot, &index);
  if (!slot) return false;
  if (!has_token(&slot->full_at, now, s->syn_cost, s->slot_room)) {
    own = bpf_map_lookup_elem(&sluice_sources, &source);
    if (own) {
      if (!has_token(&own->full_at, now, s->syn_cost, s->syn_room)) return true;
      take_token(&own->full_at, now, s->syn_cost);
    } else {
      first.full_at = now + s->syn_cost;
      bpf_map_update_elem(&sluice_sources, &source, &first, BPF_NOEXIST);
    }
  }
  take_token(&slot->full_at, now, s->syn_cost);
  return false;
}

#endif
