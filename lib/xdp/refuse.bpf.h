// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// First duty: says no at once for a service without a backend, so that its clients need not wait
// for a timeout.
#ifndef SLUICE_XDP_REFUSE_BPF_H
#define SLUICE_XDP_REFUSE_BPF_H

#include "xdp/admit.bpf.h"
#include "xdp/bucket.bpf.h"
#include "xdp/frame.bpf.h"
#include "xdp/maps.bpf.h"
#include "xdp/reply.bpf.h"

static __always_inline bool is_refused(const struct packet* p) {
  return p->service & SLUICE_XDP_REFUSE_ALL || (p->service & SLUICE_XDP_REFUSE_NEW && is_syn(p));
}

// All nodes of the Internet bound their ICMP errors (RFC 1812, section 4.3.2.8): the sources of a
// UDP flood are others' addresses.
static __always_inline bool may_send_error(void) {
  const struct sluice_xdp_settings* s = settings();
  struct sluice_xdp_shared* all = shared();
  __u64 now;

  if (!s || !all) return false;
  if (!s->icmp_cost) return true;
  now = bpf_ktime_get_ns();
  if (!has_token(&all->icmp_full_at, now, s->icmp_cost, s->icmp_room)) return false;
  take_token(&all->icmp_full_at, now, s->icmp_cost);
  return true;
}

// A whole TCP or UDP packet for a service without a backend: what becomes of it, an XDP action, and
// in `p->stat` under which it is counted. A global function, for the reason that walk() gives.
__noinline int refuse(struct xdp_md* ctx, struct packet* p) {
  const struct frame f = frame_of(ctx);
  bool done;

  if (!p) return XDP_DROP;  // never: the verifier does not know the callers
  p->stat = SLUICE_XDP_UNSERVED;
  if (p->service & SLUICE_XDP_REFUSE_SILENTLY || !answerable(&f, p)) return XDP_DROP;
  if (p->kind == KIND_TCP)
    done = !(p->bits & RST) && become_reset(ctx, p);
  else
    done = p->kind == KIND_UDP && may_send_error() && become_unreachable(ctx, p);
  if (!done) return XDP_DROP;
  p->stat = SLUICE_XDP_REFUSED;
  return XDP_TX;
}

#endif
