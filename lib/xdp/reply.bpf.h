// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Turns a received frame into the reply to it: TCP segment or ICMP port unreachable, with the VLAN
// tags of the frame, to the MAC address that it came from. Options and extension headers go.
#ifndef SLUICE_XDP_REPLY_BPF_H
#define SLUICE_XDP_REPLY_BPF_H

#include "xdp/frame.bpf.h"

#define REPLY_TTL 64
#define DONT_FRAGMENT 0x4000
#define MOST_QUOTED 128 /* bytes of IP and extension headers, and 8 behind them */

enum { PORT_UNREACHABLE = 3, UNREACHABLE6 = 1, PORT_UNREACHABLE6 = 4 };

struct icmp {
  __u8 type;
  __u8 code;
  __be16 checksum;
  __be32 rest;
};

struct segment {
  __be32 sequence;
  __be32 acknowledgement;
  __u8 flags;
  __be16 window;
};

struct link {
  struct ethhdr eth;
  struct vlan_tag tag[MOST_VLAN_TAGS];
} __attribute__((packed));

// The Internet checksum of a sum of 32-bit words, all in network order.
static __always_inline __be16 checksum_of(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__be16)~sum;
}

// A checksum after one word that it covers has changed (RFC 1624).
static __always_inline __be16 changed_checksum(__be16 checksum, __be16 old, __be16 now) {
  return checksum_of((__u64)(__be16)~checksum + (__be16)~old + now);
}

static __always_inline __u64 sum_of_address(const __u32* words) {
  return (__u64)words[0] + words[1] + words[2] + words[3];
}

// Of both addresses, the length and the protocol: the part of a checksum that no header holds.
static __always_inline __u64 pseudo_header(const struct packet* p, __u32 length, __u8 protocol) {
  return sum_of_address(p->from) + sum_of_address(p->to.address) + bpf_htonl(length) +
         bpf_htonl(protocol);
}

// Whether the sender of `p` is one whom an unasked answer may go to: one host, and on this link one
// station (RFC 1122, section 3.2.2; RFC 4443, section 2.4).
static __always_inline bool answerable(const struct frame* f, const struct packet* p) {
  const struct ethhdr* eth = bytes_at(f, 0, sizeof(*eth));
  __u8 first = (__u8)p->from[0];  // in memory order, the first

  if (!eth || eth->h_dest[0] & 1 || eth->h_source[0] & 1) return false;
  if (p->r.family == 4) return first != 0 && first != 127 && first < 224;
  if (first == 0xff) return false;
  return p->from[0] || p->from[1] || p->from[2] || bpf_ntohl(p->from[3]) > 1;
}

static __always_inline void turn_link(struct ethhdr* eth) {
  __u8 own[ETH_ALEN];

  __builtin_memcpy(own, eth->h_dest, ETH_ALEN);
  __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
  __builtin_memcpy(eth->h_source, own, ETH_ALEN);
}

// Writes the IP header of a reply that carries `length` bytes of `protocol`, where the frame's link
// headers end. @return where it ends; 0 when the frame is too short.
static __always_inline __u32 write_ip(const struct frame* f, const struct packet* p, __u16 length,
                                      __u8 protocol) {
  if (p->r.family == 4) {
    struct iphdr* ip = bytes_at(f, p->link, sizeof(*ip));
    __be16 total = bpf_htons(sizeof(*ip) + length), flags = bpf_htons(DONT_FRAGMENT);
    __u64 sum;

    if (!ip) return 0;
    sum = (__u64)bpf_htons(0x4500) + total + flags + bpf_htons(REPLY_TTL << 8 | protocol) +
          p->from[0] + p->to.address[0];
    ip->version = 4;
    ip->ihl = sizeof(*ip) / 4;
    ip->tos = 0;
    ip->tot_len = total;
    ip->id = 0;  // RFC 6864: it has a meaning for fragments only
    ip->frag_off = flags;
    ip->ttl = REPLY_TTL;
    ip->protocol = protocol;
    ip->check = checksum_of(sum);
    ip->saddr = p->to.address[0];
    ip->daddr = p->from[0];
    return p->link + sizeof(*ip);
  } else {
    struct ipv6hdr* ip = bytes_at(f, p->link, sizeof(*ip));

    if (!ip) return 0;
    *(__be32*)ip = bpf_htonl(6U << 28);
    ip->payload_len = bpf_htons(length);
    ip->nexthdr = protocol;
    ip->hop_limit = REPLY_TTL;
    __builtin_memcpy(&ip->saddr, p->to.address, sizeof(ip->saddr));
    __builtin_memcpy(&ip->daddr, p->from, sizeof(ip->daddr));
    return p->link + sizeof(*ip);
  }
}

// Makes the frame a TCP segment without data, from the port that `p` is for to the one that it came
// from. False, and the frame is to be dropped, when that cannot be done.
static __always_inline bool become_segment(struct xdp_md* ctx, const struct packet* p,
                                           const struct segment* s) {
  struct frame f = frame_of(ctx);
  __u32 ip_bytes = p->r.family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
  __u32 size = p->link + ip_bytes + sizeof(struct tcphdr), at;
  const struct tcphdr* received = bytes_at(&f, p->transport, sizeof(*received));
  __be16 port, flags = bpf_htons(5 << 12 | s->flags);
  struct tcphdr* tcp;
  struct ethhdr* eth;

  if (!received) return false;
  port = received->source;
  if (bpf_xdp_adjust_tail(ctx, (int)size - (int)(f.end - f.data))) return false;
  f = frame_of(ctx);
  eth = bytes_at(&f, 0, sizeof(*eth));
  if (!eth) return false;
  turn_link(eth);
  at = write_ip(&f, p, sizeof(*tcp), IPPROTO_TCP);
  tcp = at ? bytes_at(&f, at, sizeof(*tcp)) : NULL;
  if (!tcp) return false;
  tcp->source = p->port;
  tcp->dest = port;
  tcp->seq = s->sequence;
  tcp->ack_seq = s->acknowledgement;
  ((__be16*)tcp)[6] = flags;
  tcp->window = s->window;
  tcp->check = checksum_of(pseudo_header(p, sizeof(*tcp), IPPROTO_TCP) + p->port + port +
                           s->sequence + s->acknowledgement + flags + s->window);
  tcp->urg_ptr = 0;
  return true;
}

// RFC 9293, section 3.10.7.1: the segment that tells a peer that there is no connection.
static __always_inline bool become_reset(struct xdp_md* ctx, const struct packet* p) {
  const struct frame f = frame_of(ctx);
  const struct tcphdr* tcp = bytes_at(&f, p->transport, sizeof(*tcp));
  struct segment s;

  if (!tcp) return false;
  s.window = 0;
  if (p->bits & ACK) {
    s.sequence = tcp->ack_seq;
    s.acknowledgement = 0;
    s.flags = RST;
  } else {
    s.sequence = 0;
    s.acknowledgement = bpf_htonl(bpf_ntohl(tcp->seq) + (p->stop - p->transport - tcp->doff * 4) +
                                  (p->bits & SYN ? 1 : 0) + (p->bits & FIN ? 1 : 0));
    s.flags = RST | ACK;
  }
  return become_segment(ctx, p, &s);
}

// What the frame's `bytes` bytes from `offset` on add to a checksum; a multiple of 4, at most
// MOST_QUOTED.
static __always_inline __u64 sum_of_bytes(const struct frame* f, __u32 offset, __u32 bytes) {
  __u64 sum = 0;
  __u32 i;

  for (i = 0; i < MOST_QUOTED; i += 4) {
    const __u32* word;

    if (i >= bytes) break;
    word = bytes_at(f, offset + i, sizeof(*word));
    if (!word) break;
    sum += *word;
  }
  return sum;
}

// Makes the frame, a UDP datagram, an ICMP port unreachable that quotes its IP header and the first
// 8 bytes behind. False as become_segment().
static __always_inline bool become_unreachable(struct xdp_md* ctx, const struct packet* p) {
  struct frame f = frame_of(ctx);
  bool v4 = p->r.family == 4;
  __u32 ip_bytes = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
  __u32 quoted = p->transport + QUOTED_BYTES - p->link, at;
  const void* received = bytes_at(&f, 0, sizeof(struct link));
  struct link link;
  struct icmp* icmp;
  __u64 sum;
  void* to;

  // The smallest datagram is longer than the longest link header.
  if (!received || quoted > MOST_QUOTED) return false;
  __builtin_memcpy(&link, received, sizeof(link));
  turn_link(&link.eth);
  if (bpf_xdp_adjust_tail(ctx, (int)(p->link + quoted) - (int)(f.end - f.data)) ||
      bpf_xdp_adjust_head(ctx, -(int)(ip_bytes + sizeof(*icmp))))
    return false;
  f = frame_of(ctx);
  to = bytes_at(&f, 0, sizeof(link));
  if (!to) return false;
  __builtin_memcpy(to, &link, sizeof(link));  // tags that are not there: overwritten at once
  at = write_ip(&f, p, (__u16)(sizeof(*icmp) + quoted), v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  icmp = at ? bytes_at(&f, at, sizeof(*icmp)) : NULL;
  if (!icmp) return false;
  icmp->type = v4 ? UNREACHABLE : UNREACHABLE6;
  icmp->code = v4 ? PORT_UNREACHABLE : PORT_UNREACHABLE6;
  icmp->checksum = 0;
  icmp->rest = 0;
  sum = sum_of_bytes(&f, at, sizeof(*icmp)) + sum_of_bytes(&f, at + sizeof(*icmp), quoted);
  if (!v4) sum += pseudo_header(p, sizeof(*icmp) + quoted, IPPROTO_ICMPV6);
  icmp = bytes_at(&f, at, sizeof(*icmp));
  if (!icmp) return false;
  icmp->checksum = checksum_of(sum);
  return true;
}

#endif
