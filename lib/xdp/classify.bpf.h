// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a frame is, and to whom it belongs: the same rules, in the same order, as parse_frame() in
// lib/packet/parse.hpp. The tests compare the two on every packet they have.
#ifndef SLUICE_XDP_CLASSIFY_BPF_H
#define SLUICE_XDP_CLASSIFY_BPF_H

#include "xdp/frame.bpf.h"
#include "xdp/maps.bpf.h"

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

// A packet to this port, or an ICMP error about one from it. `service`: flags of the service that
// has the port; 0 for NAT, whose packets are never refused.
static __always_inline enum sluice_xdp_stat by_port(struct sluice_xdp_service_key* key, __be16 port,
                                                    __u8 protocol, __u32* service) {
  const struct sluice_xdp_service* found;
  bool tcp = protocol == IPPROTO_TCP;
  __u32 flags;

  key->port = port;
  key->protocol = protocol;
  found = bpf_map_lookup_elem(&sluice_services, key);
  if (found) {
    *service = found->flags | OF_A_SERVICE;
    return SLUICE_XDP_REDIRECT;
  }
  flags = address_flags(key);
  if (flags & (tcp ? SLUICE_XDP_TCP_NAT : SLUICE_XDP_UDP_NAT)) return SLUICE_XDP_REDIRECT;
  if (!(flags & (tcp ? SLUICE_XDP_TCP_EVERY_PORT : SLUICE_XDP_UDP_EVERY_PORT)))
    return SLUICE_XDP_PASS;
  *service =
      (flags >> (tcp ? SLUICE_XDP_TCP_SHIFT : SLUICE_XDP_UDP_SHIFT) & SLUICE_XDP_SERVICE_MASK) |
      OF_A_SERVICE;
  return SLUICE_XDP_REDIRECT;
}

// A fragment: all of a datagram go one way, and only the first has ports.
static __always_inline enum sluice_xdp_stat by_protocol(struct sluice_xdp_service_key* key,
                                                        __u8 protocol) {
  __u32 some = protocol == IPPROTO_TCP ? SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_TCP_NAT
                                       : SLUICE_XDP_UDP_SERVICE | SLUICE_XDP_UDP_NAT;

  return address_flags(key) & some ? SLUICE_XDP_FRAGMENT : SLUICE_XDP_PASS;
}

static __always_inline bool is_options(__u8 protocol) {
  return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS;
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

    if (!fragment && !is_options(r->protocol)) return STEP_ON;
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
                                                    struct packet* p) {
  const __u8* type = part(f, &p->r, ICMP_BYTES);
  __u32 ignored;

  if (!type) return malformed(&p->to);
  p->kind = KIND_ICMP;
  p->bits = *type;
  if (*type == (p->r.family == 4 ? ECHO : ECHO6)) {
    p->kind = KIND_ECHO;
    return address_flags(&p->to) & (SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_UDP_SERVICE)
               ? SLUICE_XDP_REDIRECT
               : SLUICE_XDP_PASS;
  }
  if (!is_error(p->r.family, *type)) return SLUICE_XDP_PASS;
  p->r.offset += ICMP_BYTES;
  switch (quoted(ctx, &p->r, &p->to)) {
    case STEP_ON:
      return by_port(&p->to, p->r.port, p->r.protocol, &ignored);
    case STEP_LIES:
      return malformed(&p->to);
    default:
      return SLUICE_XDP_PASS;
  }
}

// The headers of the IP packet at `p->r.offset`, extension headers included; the family is what the
// link header says. Fills in the addresses as soon as they are there: STEP_LIES with a destination
// of family 0 tells that they are not.
static __always_inline int headers(struct xdp_md* ctx, const struct frame* f, struct packet* p) {
  __u32 here = f->end - f->data, total;
  struct reach* r = &p->r;

  if (r->family == 4) {
    const struct iphdr* ip = bytes_at(f, r->offset, sizeof(*ip));

    if (!ip) return STEP_LIES;
    p->to.family = 4;
    p->to.address[0] = ip->daddr;
    p->from[0] = ip->saddr;
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
    p->to.family = 6;
    __builtin_memcpy(p->to.address, &ip->daddr, sizeof(p->to.address));
    __builtin_memcpy(p->from, &ip->saddr, sizeof(p->from));
    r->stop = r->offset + sizeof(*ip) + bpf_ntohs(ip->payload_len);
    if (ip->version != 6 || r->stop > here) return STEP_LIES;
    r->protocol = ip->nexthdr;
    r->offset += sizeof(*ip);
    return has_ports(r->protocol) ? STEP_ON : walk(ctx, r);
  }
}

// TCP or UDP with its ports.
static __always_inline enum sluice_xdp_stat by_transport(const struct frame* f, struct packet* p) {
  const struct reach* r = &p->r;
  // Only a first fragment may claim more than it holds.
  __u32 most = r->fragmented ? 0x10000 : r->stop - r->offset;

  if (r->protocol == IPPROTO_TCP) {
    const struct tcphdr* tcp = part(f, r, sizeof(*tcp));

    if (!tcp || tcp->doff * 4 < sizeof(*tcp) || tcp->doff * 4 > most) return malformed(&p->to);
    p->port = tcp->dest;
    p->bits = ((const __u8*)tcp)[TCP_FLAGS_AT];
  } else {
    const struct udphdr* udp = part(f, r, sizeof(*udp));

    if (!udp || bpf_ntohs(udp->len) < sizeof(*udp) || bpf_ntohs(udp->len) > most)
      return malformed(&p->to);
    p->port = udp->dest;
  }
  if (r->fragmented) return by_protocol(&p->to, r->protocol);
  p->kind = r->protocol == IPPROTO_TCP ? KIND_TCP : KIND_UDP;
  return by_port(&p->to, p->port, r->protocol, &p->service);
}

// What the frame is; `p` comes in as zeros. Never SLUICE_XDP_NO_SOCKET, which only redirecting can
// tell, nor what the duties make of it.
static __always_inline enum sluice_xdp_stat classify(struct xdp_md* ctx, const struct frame* f,
                                                     struct packet* p) {
  const struct ethhdr* eth = bytes_at(f, 0, sizeof(*eth));
  struct reach* r = &p->r;
  __be16 type;
  int tags;

  if (!eth) return SLUICE_XDP_PASS;
  type = eth->h_proto;
  r->offset = sizeof(*eth);
#pragma unroll
  for (tags = 0; tags < MOST_VLAN_TAGS; ++tags) {
    const struct vlan_tag* tag;

    if (!is_tag(type)) break;
    tag = bytes_at(f, r->offset, sizeof(*tag));
    if (!tag) return SLUICE_XDP_PASS;
    type = tag->type;
    r->offset += sizeof(*tag);
  }
  if (type != bpf_htons(ETH_P_IP) && type != bpf_htons(ETH_P_IPV6)) return SLUICE_XDP_PASS;

  p->link = r->offset;
  r->family = type == bpf_htons(ETH_P_IP) ? 4 : 6;
  switch (headers(ctx, f, p)) {
    case STEP_ON:
      break;
    case STEP_LIES:
      return p->to.family ? malformed(&p->to) : SLUICE_XDP_PASS;
    default:
      return SLUICE_XDP_PASS;
  }
  p->stop = r->stop;
  p->transport = r->offset;
  if (has_ports(r->protocol))
    return r->later ? by_protocol(&p->to, r->protocol) : by_transport(f, p);
  // What follows the options only the first fragment tells, which has them.
  if (r->later && r->family == 6 && is_options(r->protocol))
    return address_flags(&p->to) ? SLUICE_XDP_FRAGMENT : SLUICE_XDP_PASS;
  if (r->fragmented || r->protocol != (r->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
    return SLUICE_XDP_PASS;
  return by_icmp(ctx, f, p);
}

#endif
