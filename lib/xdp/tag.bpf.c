// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// For a lab whose kernel has no 802.1Q driver: makes the cable to the balancer a trunk for what
// services get. TCP and UDP go in under a VLAN tag; what comes back out loses it. All else stays as
// it is, since a kernel without the driver does not answer tagged ARP. Attach it to both hooks:
//   tc qdisc add dev to-lb clsact
//   tc filter add dev to-lb egress  bpf direct-action object-file tag.bpf.o section tc
//   tc filter add dev to-lb ingress bpf direct-action object-file tag.bpf.o section tc
//   bpftool map dump name tag_counts
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN 100

// Entries of the map tag_counts.
enum { TAG_PUSHED, TAG_POPPED, TAG_STATS };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TAG_STATS);
  __type(key, __u32);
  __type(value, __u64);
} tag_counts SEC(".maps");

static __always_inline void count(__u32 which) {
  __u64* n = bpf_map_lookup_elem(&tag_counts, &which);

  if (n) __sync_fetch_and_add(n, 1);
}

static __always_inline bool is_flow(struct __sk_buff* skb) {
  struct iphdr ip;
  struct ipv6hdr ip6;

  if (skb->protocol == bpf_htons(ETH_P_IP) &&
      !bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &ip, sizeof(ip)))
    return ip.protocol == IPPROTO_TCP || ip.protocol == IPPROTO_UDP;
  // A fragment header, too: the lab's clients fragment nothing but UDP.
  return skb->protocol == bpf_htons(ETH_P_IPV6) &&
         !bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &ip6, sizeof(ip6)) &&
         (ip6.nexthdr == IPPROTO_TCP || ip6.nexthdr == IPPROTO_UDP ||
          ip6.nexthdr == IPPROTO_FRAGMENT);
}

SEC("tc")
int sluice_tag(struct __sk_buff* skb) {
  bool from_balancer = skb->ingress_ifindex == skb->ifindex;

  if (from_balancer && skb->vlan_present) {
    if (!bpf_skb_vlan_pop(skb)) count(TAG_POPPED);
  } else if (!from_balancer && !skb->vlan_present && is_flow(skb)) {
    if (!bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), VLAN)) count(TAG_PUSHED);
  }
  return TC_ACT_OK;
}

// A veth takes frames from its peer's XDP_TX only where it receives in NAPI, which a program of its
// own makes it do. A real network has no such wants:
//   ip link set dev to-lb xdpdrv object tag.bpf.o section xdp
SEC("xdp")
int sluice_pass(struct xdp_md* ctx __attribute__((unused))) { return XDP_PASS; }

char program_license[] SEC("license") = "Dual BSD/GPL";
