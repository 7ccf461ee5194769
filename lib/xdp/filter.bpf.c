// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// XDP health filter: sends what belongs to a service, or to an address that NAT lends to services,
// to the worker's AF_XDP socket and leaves all else to Linux untouched. Judges a frame by the same
// rules, in the same order, as parse_frame() in lib/packet/parse.hpp: the tests compare the two on
// every packet they have.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp/layout.h"

#define MOST_VLAN_TAGS 2
#define MOST_EXTENSIONS 8
#define MORE_FLAG 0x2000 /* IPv4: more fragments */
#define OFFSET_MASK 0x1fff
#define MORE6_FLAG 0x0001 /* likewise, of the IPv6 fragment header */
#define OFFSET6_MASK 0xfff8
#define ICMP_BYTES 8   /* header of every ICMP message */
#define QUOTED_BYTES 8 /* that an ICMP error quotes of a transport header at least */
#define FARTHEST 0x7fff

// <linux/icmp.h> wants the C library of the BPF target, which there is not.
enum { ECHO = 8, UNREACHABLE = 3, SOURCE_QUENCH = 4, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
enum { ECHO6 = 128, FIRST_ERROR6 = 1, LAST_ERROR6 = 4 };

struct vlan_tag {
  __be16 control;
  __be16 type;
};

// Hop-by-hop, destination options, routing and fragment header have these in the same place.
struct extension {
  __u8 next;
  __u8 length;  // beyond the first 8 bytes, in units of 8
  union {
    __be16 fragment;  // offset and flags
    struct {
      __u8 kind;
      __u8 segments_left;  // of a routing header
    } route;
  } of;
  __be32 rest;
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

struct frame {
  void* data;
  void* end;
};

static __always_inline struct frame frame_of(const struct xdp_md* ctx) {
  return (struct frame){(void*)(long)ctx->data, (void*)(long)ctx->data_end};
}

// Where the headers of one IP packet, received or quoted, lead to. Offsets count from the frame's
// first byte.
struct reach {
  __u32 offset;     // of the header that `protocol` names
  __u32 stop;       // nothing from here on belongs to the packet
  __u8 family;      // 4 or 6
  __u8 protocol;    // behind the extension headers walked so far
  bool fragmented;  // a fragment, the first or a later one
  bool later;       // a later one: it has no transport header
  __be16 port;      // of a quoted packet
};

enum step { STEP_ON, STEP_LIES, STEP_HOST };

static __always_inline bool is_tag(__be16 type) {
  return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline bool has_ports(__u8 protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

// `size` bytes at `offset`, or NULL when the frame ends before or inside them. FARTHEST is beyond
// what one frame holds: the verifier wants a bound on an offset that came out of a packet. And it
// lets a program read only through the pointer that was compared: the barrier keeps the compiler
// from computing it again.
static __always_inline const void* bytes_at(const struct frame* f, __u32 offset, __u32 size) {
  const void* at;

  if (offset > FARTHEST) return NULL;
  at = f->data + offset;
  barrier_var(at);
  return at + size > f->end ? NULL : at;
}

// Likewise, but only what belongs to the packet.
static __always_inline const void* part(const struct frame* f, const struct reach* r, __u32 size) {
  return r->offset + size > r->stop ? NULL : bytes_at(f, r->offset, size);
}

// What the address in `key` is: flags of its entry, 0 without one.
static __always_inline __u32 address_flags(struct sluice_xdp_service_key* key) {
  const struct sluice_xdp_service* found;

  key->port = 0;
  key->protocol = 0;
  found = bpf_map_lookup_elem(&sluice_services, key);
  return found ? found->flags : 0;
}

// For packets of which no more is known than the address: any kind of entry will do.
static __always_inline enum sluice_xdp_stat malformed(struct sluice_xdp_service_key* key) {
  return address_flags(key) ? SLUICE_XDP_MALFORMED : SLUICE_XDP_PASS;
}

// A packet to this port, or an ICMP error about one from it.
static __always_inline enum sluice_xdp_stat by_port(struct sluice_xdp_service_key* key, __be16 port,
                                                    __u8 protocol) {
  __u32 whole = protocol == IPPROTO_TCP ? SLUICE_XDP_TCP_EVERY_PORT | SLUICE_XDP_TCP_NAT
                                        : SLUICE_XDP_UDP_EVERY_PORT | SLUICE_XDP_UDP_NAT;

  key->port = port;
  key->protocol = protocol;
  if (bpf_map_lookup_elem(&sluice_services, key)) return SLUICE_XDP_REDIRECT;
  return address_flags(key) & whole ? SLUICE_XDP_REDIRECT : SLUICE_XDP_PASS;
}

// A fragment: all of a datagram go one way, and only the first has ports.
static __always_inline enum sluice_xdp_stat by_protocol(struct sluice_xdp_service_key* key,
                                                        __u8 protocol) {
  __u32 some = protocol == IPPROTO_TCP ? SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_TCP_NAT
                                       : SLUICE_XDP_UDP_SERVICE | SLUICE_XDP_UDP_NAT;

  return address_flags(key) & some ? SLUICE_XDP_FRAGMENT : SLUICE_XDP_PASS;
}

// Steps over IPv6 extension headers, from that at `r->offset` on: an enum step. A global function,
// here and for quoted(): the verifier then checks it once, by itself, and not once for each way in
// which the headers before it can come, which would be too many.
__noinline int walk(struct xdp_md* ctx, struct reach* r) {
  const struct frame frame = frame_of(ctx), *f = &frame;
  int seen;

  if (!r) return STEP_LIES;  // never: the verifier does not know the callers
  for (seen = 0; seen <= MOST_EXTENSIONS; ++seen) {
    bool fragment = r->protocol == IPPROTO_FRAGMENT;
    const struct extension* header;
    __u32 size = sizeof(*header);

    if (!fragment && r->protocol != IPPROTO_HOPOPTS && r->protocol != IPPROTO_ROUTING &&
        r->protocol != IPPROTO_DSTOPTS)
      return STEP_ON;
    if (seen == MOST_EXTENSIONS) return STEP_HOST;
    header = part(f, r, size);
    if (!header) return STEP_LIES;
    if (fragment) {
      if (r->fragmented) return STEP_HOST;
      r->fragmented = header->of.fragment & bpf_htons(OFFSET6_MASK | MORE6_FLAG);
      r->later = header->of.fragment & bpf_htons(OFFSET6_MASK);
    } else {
      if (r->protocol == IPPROTO_ROUTING && header->of.route.segments_left) return STEP_HOST;
      size = (header->length + 1) * 8;
      if (r->offset + size > r->stop) return STEP_LIES;
    }
    r->protocol = header->next;
    r->offset += size;
    if (r->later) return STEP_ON;
  }
  return STEP_HOST;
}

// The packet that an ICMP error quotes, which begins at `r->offset`; `to` has the address that the
// error went to. STEP_ON: it is of a flow, and `r->port` is the one that it came from.
__noinline int quoted(struct xdp_md* ctx, struct reach* r,
                      const struct sluice_xdp_service_key* to) {
  const struct frame frame = frame_of(ctx), *f = &frame;
  const __be16* port;
  bool from_there;

  if (!r || !to) return STEP_LIES;  // as in walk()
  if (r->family == 4) {
    const struct iphdr* ip = part(f, r, sizeof(*ip));

    if (!ip || ip->version != 4 || ip->ihl * 4 < sizeof(*ip) || r->offset + ip->ihl * 4 > r->stop)
      return STEP_LIES;
    from_there = ip->saddr == to->address[0];
    r->protocol = ip->protocol;
    r->later = ip->frag_off & bpf_htons(OFFSET_MASK);
    r->offset += ip->ihl * 4;
  } else {
    const struct ipv6hdr* ip = part(f, r, sizeof(*ip));

    if (!ip || ip->version != 6) return STEP_LIES;
    from_there = ip->saddr.in6_u.u6_addr32[0] == to->address[0] &&
                 ip->saddr.in6_u.u6_addr32[1] == to->address[1] &&
                 ip->saddr.in6_u.u6_addr32[2] == to->address[2] &&
                 ip->saddr.in6_u.u6_addr32[3] == to->address[3];
    r->protocol = ip->nexthdr;
    r->offset += sizeof(*ip);
    if (!has_ports(r->protocol)) {
      int step = walk(ctx, r);

      if (step != STEP_ON) return step;
    }
  }
  if (!from_there) return STEP_LIES;
  if (r->later || !has_ports(r->protocol)) return STEP_HOST;
  port = part(f, r, QUOTED_BYTES);
  if (!port) return STEP_LIES;
  r->port = *port;
  return STEP_ON;
}

static __always_inline bool is_error(__u8 family, __u8 type) {
  if (family == 6) return type >= FIRST_ERROR6 && type <= LAST_ERROR6;
  return type == UNREACHABLE || type == SOURCE_QUENCH || type == TIME_EXCEEDED ||
         type == PARAMETER_PROBLEM;
}

static __always_inline enum sluice_xdp_stat by_icmp(struct xdp_md* ctx, const struct frame* f,
                                                    struct reach* r,
                                                    struct sluice_xdp_service_key* key) {
  const __u8* type = part(f, r, ICMP_BYTES);

  if (!type) return malformed(key);
  if (*type == (r->family == 4 ? ECHO : ECHO6))
    return address_flags(key) & (SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_UDP_SERVICE)
               ? SLUICE_XDP_REDIRECT
               : SLUICE_XDP_PASS;
  if (!is_error(r->family, *type)) return SLUICE_XDP_PASS;
  r->offset += ICMP_BYTES;
  switch (quoted(ctx, r, key)) {
    case STEP_ON:
      return by_port(key, r->port, r->protocol);
    case STEP_LIES:
      return malformed(key);
    default:
      return SLUICE_XDP_PASS;
  }
}

// The headers of the IP packet at `r->offset`, extension headers included; `r->family` is what the
// link header says. Fills in `key`'s address as soon as it is there: STEP_LIES with family 0 tells
// that it is not.
static __always_inline int headers(struct xdp_md* ctx, const struct frame* f, struct reach* r,
                                   struct sluice_xdp_service_key* key) {
  __u32 here = f->end - f->data, total;

  if (r->family == 4) {
    const struct iphdr* ip = bytes_at(f, r->offset, sizeof(*ip));

    if (!ip) return STEP_LIES;
    key->family = 4;
    key->address[0] = ip->daddr;
    total = bpf_ntohs(ip->tot_len);
    r->stop = r->offset + total;
    if (ip->version != 4 || ip->ihl * 4 < sizeof(*ip) || total < ip->ihl * 4 || r->stop > here)
      return STEP_LIES;
    r->protocol = ip->protocol;
    r->fragmented = ip->frag_off & bpf_htons(MORE_FLAG | OFFSET_MASK);
    r->later = ip->frag_off & bpf_htons(OFFSET_MASK);
    r->offset += ip->ihl * 4;
    return STEP_ON;
  } else {
    const struct ipv6hdr* ip = bytes_at(f, r->offset, sizeof(*ip));

    if (!ip) return STEP_LIES;
    key->family = 6;
    __builtin_memcpy(key->address, &ip->daddr, sizeof(key->address));
    r->stop = r->offset + sizeof(*ip) + bpf_ntohs(ip->payload_len);
    if (ip->version != 6 || r->stop > here) return STEP_LIES;
    r->protocol = ip->nexthdr;
    r->offset += sizeof(*ip);
    return has_ports(r->protocol) ? STEP_ON : walk(ctx, r);
  }
}

// TCP or UDP with its ports.
static __always_inline enum sluice_xdp_stat by_transport(const struct frame* f,
                                                         const struct reach* r,
                                                         struct sluice_xdp_service_key* key) {
  // Only a first fragment may claim more than it holds.
  __u32 most = r->fragmented ? 0x10000 : r->stop - r->offset;
  __be16 port;

  if (r->protocol == IPPROTO_TCP) {
    const struct tcphdr* tcp = part(f, r, sizeof(*tcp));

    if (!tcp || tcp->doff * 4 < sizeof(*tcp) || tcp->doff * 4 > most) return malformed(key);
    port = tcp->dest;
  } else {
    const struct udphdr* udp = part(f, r, sizeof(*udp));

    if (!udp || bpf_ntohs(udp->len) < sizeof(*udp) || bpf_ntohs(udp->len) > most)
      return malformed(key);
    port = udp->dest;
  }
  return r->fragmented ? by_protocol(key, r->protocol) : by_port(key, port, r->protocol);
}

// What the frame is: never SLUICE_XDP_NO_SOCKET, which only redirecting can tell.
static __always_inline enum sluice_xdp_stat classify(struct xdp_md* ctx, const struct frame* f) {
  const struct ethhdr* eth = bytes_at(f, 0, sizeof(*eth));
  struct sluice_xdp_service_key key;
  struct reach r;
  __be16 type;
  int tags;

  // At run time: an initialiser would become a .rodata map.
  __builtin_memset(&key, 0, sizeof(key));
  __builtin_memset(&r, 0, sizeof(r));
  if (!eth) return SLUICE_XDP_PASS;
  type = eth->h_proto;
  r.offset = sizeof(*eth);
#pragma unroll
  for (tags = 0; tags < MOST_VLAN_TAGS; ++tags) {
    const struct vlan_tag* tag;

    if (!is_tag(type)) break;
    tag = bytes_at(f, r.offset, sizeof(*tag));
    if (!tag) return SLUICE_XDP_PASS;
    type = tag->type;
    r.offset += sizeof(*tag);
  }
  if (type != bpf_htons(ETH_P_IP) && type != bpf_htons(ETH_P_IPV6)) return SLUICE_XDP_PASS;

  r.family = type == bpf_htons(ETH_P_IP) ? 4 : 6;
  switch (headers(ctx, f, &r, &key)) {
    case STEP_ON:
      break;
    case STEP_LIES:
      return key.family ? malformed(&key) : SLUICE_XDP_PASS;
    default:
      return SLUICE_XDP_PASS;
  }
  if (has_ports(r.protocol))
    return r.later ? by_protocol(&key, r.protocol) : by_transport(f, &r, &key);
  if (r.fragmented || r.protocol != (r.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
    return SLUICE_XDP_PASS;
  return by_icmp(ctx, f, &r, &key);
}

static __always_inline int filter(struct xdp_md* ctx) {
  struct frame f = frame_of(ctx);
  __u64 bytes = f.end - f.data;
  __u32 stat = classify(ctx, &f);
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
