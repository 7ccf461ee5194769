// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// For the backends of a lab whose kernel has no tunnel drivers: takes the outer header off IP in IP
// (either family in either) and off GUE, and hands the inner packet to Linux. No daemon, no
// settings:
//   ip link set dev eth0 xdp obj decap.bpf.o program sluice_decap   (xdpgeneric: any interface)
//   bpftool map dump name decap_counts                            (counters)
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAGMENT_MASK 0x3fff /* more-fragments, and the offset */
#define GUE_PORT 6080
#define GUE_PORT_OF_KATRAN 9886
#define FARTHEST 0x7fff /* beyond any frame; the verifier wants a bound */

// Entries of the map decap_counts.
enum {
  DECAP_DONE,     // outer header taken off
  DECAP_OTHER,    // no tunnel: untouched
  DECAP_REFUSED,  // a tunnel that lies, is cut or fragmented: untouched, Linux judges it
  DECAP_STATS,
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, DECAP_STATS);
  __type(key, __u32);
  __type(value, __u64);
} decap_counts SEC(".maps");

// GUE variant 0 (draft-ietf-intarea-gue): 4 bytes, then optional fields.
struct gue {
  __u8 version_control_length;  // 2 bits, 1 bit, 5 bits: words of optional fields
  __u8 protocol;
  __be16 flags;
};

struct frame {
  void* data;
  void* end;
};

// `size` bytes at `offset`, or NULL when the frame ends before or inside them. The barrier keeps
// the compiler from computing the pointer again, which the verifier would not know to be checked.
static __always_inline const void* bytes_at(const struct frame* f, __u32 offset, __u32 size) {
  const void* at;

  if (offset > FARTHEST) return NULL;
  at = f->data + offset;
  barrier_var(at);
  return at + size > f->end ? NULL : at;
}

// Where the IP packet that begins at `offset` ends; 0 when a header lies or ends behind `limit`.
static __always_inline __u32 end_of(const struct frame* f, __u32 offset, __u32 limit, bool ipv6) {
  __u32 total;

  if (ipv6) {
    const struct ipv6hdr* ip = bytes_at(f, offset, sizeof(*ip));

    if (!ip || ip->version != 6) return 0;
    total = sizeof(*ip) + bpf_ntohs(ip->payload_len);
  } else {
    const struct iphdr* ip = bytes_at(f, offset, sizeof(*ip));

    if (!ip || ip->version != 4 || ip->ihl < 5) return 0;
    total = bpf_ntohs(ip->tot_len);
    if (total < ip->ihl * 4) return 0;
  }
  return offset + total > limit ? 0 : offset + total;
}

// What a GUE header at `*offset` carries: IPPROTO_IPIP or IPPROTO_IPV6, and `*offset` moves behind
// it; 0: something else.
static __always_inline __u8 gue_protocol(const struct frame* f, __u32* offset) {
  const struct gue* gue = bytes_at(f, *offset, sizeof(*gue));

  if (!gue) return 0;
  switch (gue->version_control_length >> 4) {
    case 4:  // variant 1: the inner packet itself, whose version says what it is
      return IPPROTO_IPIP;
    case 6:
      return IPPROTO_IPV6;
    case 0:
    case 1:  // the upper bit of the length
      *offset += sizeof(*gue) + (gue->version_control_length & 0x1f) * 4;
      return gue->protocol;
    default:
      return 0;
  }
}

static __always_inline __u32 strip(struct xdp_md* ctx) {
  struct frame f = {(void*)(long)ctx->data, (void*)(long)ctx->data_end};
  const struct ethhdr* eth = bytes_at(&f, 0, sizeof(*eth));
  struct ethhdr link, *new_link;
  __u32 offset = sizeof(*eth), end;
  __u8 protocol;
  bool ipv6, fragmented = false;

  if (!eth || (eth->h_proto != bpf_htons(ETH_P_IP) && eth->h_proto != bpf_htons(ETH_P_IPV6)))
    return DECAP_OTHER;
  link = *eth;
  ipv6 = eth->h_proto == bpf_htons(ETH_P_IPV6);
  end = end_of(&f, offset, f.end - f.data, ipv6);
  if (ipv6) {
    const struct ipv6hdr* outer = bytes_at(&f, offset, sizeof(*outer));

    if (!outer) return DECAP_OTHER;
    protocol = outer->nexthdr;
    offset += sizeof(*outer);
  } else {
    const struct iphdr* outer = bytes_at(&f, offset, sizeof(*outer));

    if (!outer) return DECAP_OTHER;
    protocol = outer->protocol;
    fragmented = outer->frag_off & bpf_htons(FRAGMENT_MASK);
    offset += outer->ihl * 4;
  }
  if (protocol == IPPROTO_UDP && !fragmented) {
    const struct udphdr* udp = bytes_at(&f, offset, sizeof(*udp));

    if (!udp || (udp->dest != bpf_htons(GUE_PORT) && udp->dest != bpf_htons(GUE_PORT_OF_KATRAN)))
      return DECAP_OTHER;
    offset += sizeof(*udp);
    protocol = gue_protocol(&f, &offset);
    if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6) return DECAP_REFUSED;
  }
  if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6) return DECAP_OTHER;
  if (!end || fragmented || !end_of(&f, offset, end, protocol == IPPROTO_IPV6))
    return DECAP_REFUSED;

  if (bpf_xdp_adjust_head(ctx, (int)(offset - sizeof(link)))) return DECAP_REFUSED;
  f.data = (void*)(long)ctx->data;
  f.end = (void*)(long)ctx->data_end;
  new_link = f.data;
  if ((void*)(new_link + 1) > f.end) return DECAP_REFUSED;
  link.h_proto = protocol == IPPROTO_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  *new_link = link;
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
