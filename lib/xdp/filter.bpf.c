// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// XDP health filter: sends what belongs to a service to the worker's AF_XDP socket and leaves all
// else to Linux untouched. Judges a frame by the same rules, in the same order, as parse_frame() in
// lib/packet/parse.hpp: the tests compare the two on every packet they have.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp/layout.h"

#define MOST_VLAN_TAGS 2
#define FRAGMENT_MASK 0x3fff /* more-fragments, and the offset */

struct vlan_tag {
  __be16 control;
  __be16 type;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sluice_xdp_settings);
} sluice_settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC); /* an edge node has few services; the slow path adds them */
  __uint(max_entries, SLUICE_XDP_SERVICES);
  __type(key, struct sluice_xdp_service_key);
  __type(value, struct sluice_xdp_service);
} sluice_services SEC(".maps");

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

static __always_inline bool is_tag(__be16 type) {
  return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline bool is_service(struct sluice_xdp_service_key* key, __be16 port,
                                       __u8 protocol) {
  key->port = port;
  key->protocol = protocol;
  return bpf_map_lookup_elem(&sluice_services, key) != NULL;
}

// For packets without ports to look up: `stat` when the destination is some service's address.
static __always_inline enum sluice_xdp_stat by_address(struct sluice_xdp_service_key* key,
                                                       enum sluice_xdp_stat stat) {
  return is_service(key, 0, 0) ? stat : SLUICE_XDP_PASS;
}

// What the frame is: never SLUICE_XDP_NO_SOCKET, which only redirecting can tell.
static __always_inline enum sluice_xdp_stat classify(void* data, void* end) {
  const struct ethhdr* eth = data;
  const struct iphdr* ip;
  struct sluice_xdp_service_key key;
  void* at = data + sizeof(*eth);
  __u32 header, total, here;
  __be16 type, port;
  int tags;

  if (at > end) return SLUICE_XDP_PASS;
  type = eth->h_proto;
#pragma unroll
  for (tags = 0; tags < MOST_VLAN_TAGS; ++tags) {
    const struct vlan_tag* tag = at;

    if (!is_tag(type)) break;
    if ((void*)(tag + 1) > end) return SLUICE_XDP_PASS;
    type = tag->type;
    at = (void*)(tag + 1);
  }
  if (type != bpf_htons(ETH_P_IP)) return SLUICE_XDP_PASS;

  ip = at;
  if ((void*)(ip + 1) > end) return SLUICE_XDP_PASS;  // not even its destination can be read
  __builtin_memset(&key, 0, sizeof(key));  // at run time: an initialiser would become a .rodata map
  key.family = 4;
  key.address[0] = ip->daddr;
  here = end - at;
  header = ip->ihl * 4;
  total = bpf_ntohs(ip->tot_len);
  if (ip->version != 4 || header < sizeof(*ip) || total < header || total > here)
    return by_address(&key, SLUICE_XDP_MALFORMED);
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) return SLUICE_XDP_PASS;
  if (ip->frag_off & bpf_htons(FRAGMENT_MASK)) return by_address(&key, SLUICE_XDP_FRAGMENT);

  at += header;
  total -= header;
  if (ip->protocol == IPPROTO_TCP) {
    const struct tcphdr* tcp = at;

    if (total < sizeof(*tcp) || (void*)(tcp + 1) > end || tcp->doff * 4 < sizeof(*tcp) ||
        tcp->doff * 4 > total)
      return by_address(&key, SLUICE_XDP_MALFORMED);
    port = tcp->dest;
  } else {
    const struct udphdr* udp = at;

    if (total < sizeof(*udp) || (void*)(udp + 1) > end || bpf_ntohs(udp->len) < sizeof(*udp) ||
        bpf_ntohs(udp->len) > total)
      return by_address(&key, SLUICE_XDP_MALFORMED);
    port = udp->dest;
  }
  if (is_service(&key, port, ip->protocol) || is_service(&key, 0, ip->protocol))
    return SLUICE_XDP_REDIRECT;
  return SLUICE_XDP_PASS;
}

static __always_inline int filter(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  __u64 bytes = end - data;
  __u32 stat = classify(data, end);
  int action = XDP_PASS;
  struct sluice_xdp_count* count;

  if (stat != SLUICE_XDP_PASS) {
    action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
    if (action != XDP_REDIRECT) stat = SLUICE_XDP_NO_SOCKET;
  }
  count = bpf_map_lookup_elem(&sluice_stats, &stat);
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
