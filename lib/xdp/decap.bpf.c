// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// For the backends of a lab whose kernel has no ipip module: takes the outer header off IPv4 in
// IPv4 (RFC 2003) and hands the inner packet to Linux. No daemon, no settings:
//   ip link set dev eth0 xdp obj decap.bpf.o program sluice_decap   (xdpgeneric: any interface)
//   bpftool map dump name decap_counts                            (counters)
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAGMENT_MASK 0x3fff /* more-fragments, and the offset */

// Entries of the map decap_counts.
enum {
  DECAP_DONE,     // outer header taken off
  DECAP_OTHER,    // no IPv4 in IPv4: untouched
  DECAP_REFUSED,  // IPv4 in something that lies, is cut or fragmented: untouched, Linux judges it
  DECAP_STATS,
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, DECAP_STATS);
  __type(key, __u32);
  __type(value, __u64);
} decap_counts SEC(".maps");

// Whether `header` and all that its lengths claim lie in `room` bytes.
static __always_inline bool sound(const struct iphdr* ip, __u32 room) {
  __u32 total = bpf_ntohs(ip->tot_len);

  return ip->version == 4 && ip->ihl >= 5 && total >= ip->ihl * 4 && total <= room;
}

static __always_inline __u32 strip(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  struct ethhdr *eth = data, link;
  struct iphdr *outer = (void*)(eth + 1), *inner;
  __u32 header;

  if ((void*)(outer + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
      outer->protocol != IPPROTO_IPIP)
    return DECAP_OTHER;
  header = outer->ihl * 4;
  if (!sound(outer, end - (void*)outer) || outer->frag_off & bpf_htons(FRAGMENT_MASK))
    return DECAP_REFUSED;
  inner = (void*)outer + header;
  if ((void*)(inner + 1) > end || !sound(inner, bpf_ntohs(outer->tot_len) - header))
    return DECAP_REFUSED;

  link = *eth;
  if (bpf_xdp_adjust_head(ctx, (int)header)) return DECAP_REFUSED;
  data = (void*)(long)ctx->data;
  end = (void*)(long)ctx->data_end;
  eth = data;
  if ((void*)(eth + 1) > end) return DECAP_REFUSED;
  *eth = link;
  return DECAP_DONE;
}

SEC("xdp")
int sluice_decap(struct xdp_md* ctx) {
  __u32 stat = strip(ctx);
  __u64* count = bpf_map_lookup_elem(&decap_counts, &stat);

  if (count) *count += 1;
  return XDP_PASS;
}

// A veth takes frames that its peer sends by XDP only while it has a program itself: this one.
SEC("xdp")
int sluice_pass(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
