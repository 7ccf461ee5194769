// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// XDP health filter: sends what belongs to a service, or to an address that NAT lends to services,
// to the worker's AF_XDP socket and leaves all else to Linux untouched. Beside that it has duties
// of its own, one a header. docs/design/xdp-filter.md has the whole of it.
#include "xdp/admit.bpf.h"
#include "xdp/answer.bpf.h"
#include "xdp/classify.bpf.h"
#include "xdp/frame.bpf.h"
#include "xdp/maps.bpf.h"
#include "xdp/observe.bpf.h"
#include "xdp/refuse.bpf.h"

static __always_inline int judge(struct xdp_md* ctx, struct packet* p) {
  const struct frame f = frame_of(ctx);
  const struct sluice_xdp_settings* s = settings();
  int action;
  bool probe;

  p->stat = classify(ctx, &f, p);
  if (!s) return XDP_PASS;  // never: an array has its entries
  if (s->flags & SLUICE_XDP_OBSERVE && is_sign(p)) observe(ctx, p);
  probe = is_probe(p, s);
  if (p->stat == SLUICE_XDP_PASS && !probe) return XDP_PASS;
  if (is_denied(p, s)) {
    p->stat = SLUICE_XDP_DENIED;
    return XDP_DROP;
  }
  if (probe) return answer(ctx, p);
  if (s->syn_cost && p->service && is_syn(p) && syn_is_over_limit(p)) {
    p->stat = SLUICE_XDP_SYN_LIMITED;
    return XDP_DROP;
  }
  if (is_refused(p)) return refuse(ctx, p);
  action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
  if (action != XDP_REDIRECT) p->stat = SLUICE_XDP_NO_SOCKET;
  return action;
}

static __always_inline int filter(struct xdp_md* ctx) {
  const struct frame f = frame_of(ctx);
  __u64 bytes = f.end - f.data;
  struct sluice_xdp_count* count;
  struct packet p;
  int action;

  __builtin_memset(&p, 0, sizeof(p));  // an initialiser would become a .rodata map
  action = judge(ctx, &p);
  count = bpf_map_lookup_elem(&sluice_stats, &p.stat);
  if (count) {
    count->packets += 1;
    count->bytes += bytes;
  }
  return action;
}

// While DPDK opens the port: libxdp puts a new socket into the map of the program it finds
// attached, if that has this name and this version note; see docs/design/xdp-filter.md.
SEC("xdp")
int xsk_def_prog(struct xdp_md* ctx) { return filter(ctx); }

// From then on. The same decisions on the same maps.
SEC("xdp")
int sluice_filter(struct xdp_md* ctx) { return filter(ctx); }

__uint(xsk_prog_version, 1) SEC("xdp_metadata");

char program_license[] SEC("license") = "Dual BSD/GPL";
