// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Third duty: answers upstream probes for the node, but only while every worker is alive. So a
// router or an anycast check that asks sees what clients would see.
#ifndef SLUICE_XDP_ANSWER_BPF_H
#define SLUICE_XDP_ANSWER_BPF_H

#include "xdp/frame.bpf.h"
#include "xdp/maps.bpf.h"
#include "xdp/mix.bpf.h"
#include "xdp/reply.bpf.h"

#define ANSWER_WINDOW 4096

enum { ECHO_REPLY = 0, ECHO_REPLY6 = 129 };

// Whether `p` is a probe: to an answered address, and of a kind that is answered there. One with IP
// options or extension headers is not, since a reply in place would repeat them.
static __always_inline bool is_probe(struct packet* p, const struct sluice_xdp_settings* s) {
  switch (p->kind) {
    case KIND_ECHO:
      if (!(s->flags & SLUICE_XDP_ANSWER_ECHO)) return false;
      break;
    case KIND_UDP:
      if (!s->answer_udp || p->port != s->answer_udp) return false;
      break;
    case KIND_TCP:
      if (!s->answer_tcp || p->port != s->answer_tcp) return false;
      break;
    default:
      return false;
  }
  if (p->transport - p->link != (p->to.family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
    return false;
  p->to.port = 0;
  p->to.protocol = 0;
  return bpf_map_lookup_elem(&sluice_answers, &p->to);
}

// Whether each worker was at work a moment ago. One that never was has a heartbeat of 0.
static __always_inline bool all_workers_alive(const struct sluice_xdp_settings* s) {
  __u64 now = bpf_ktime_get_ns(), limit = s->answer_age;
  __u32 workers = s->workers, i;

  if (!workers || workers > SLUICE_XDP_WORKERS) return false;
  for (i = 0; i < SLUICE_XDP_WORKERS; ++i) {
    const struct sluice_xdp_beat* beat;
    __u64 at;

    if (i >= workers) break;
    beat = bpf_map_lookup_elem(&sluice_beats, &i);
    if (!beat) return false;
    at = *(const volatile __u64*)&beat->nanoseconds;
    if (!at) return false;
    // One from after `now` is young: the worker wrote it meanwhile.
    if ((__s64)(now - at) >= (__s64)limit) return false;
  }
  return true;
}

// Sends the packet back to where it came from, its payload as it is: swapped addresses leave all
// checksums right, and the rest is told to them by difference, so that a wrong one stays wrong.
static __always_inline bool turn_packet(const struct frame* f, const struct packet* p) {
  struct ethhdr* eth = bytes_at(f, 0, sizeof(*eth));

  if (!eth) return false;
  turn_link(eth);
  if (p->to.family == 4) {
    struct iphdr* ip = bytes_at(f, p->link, sizeof(*ip));
    __be16 old;

    if (!ip) return false;
    old = ((__be16*)ip)[4];
    ip->saddr = p->to.address[0];
    ip->daddr = p->from[0];
    ip->ttl = REPLY_TTL;
    ip->check = changed_checksum(ip->check, old, ((__be16*)ip)[4]);
  } else {
    struct ipv6hdr* ip = bytes_at(f, p->link, sizeof(*ip));

    if (!ip) return false;
    __builtin_memcpy(&ip->saddr, p->to.address, sizeof(ip->saddr));
    __builtin_memcpy(&ip->daddr, p->from, sizeof(ip->daddr));
    ip->hop_limit = REPLY_TTL;
  }
  return true;
}

static __always_inline bool answer_echo(const struct frame* f, const struct packet* p) {
  struct icmp* icmp;
  __be16 old;

  if (!turn_packet(f, p)) return false;
  icmp = bytes_at(f, p->transport, sizeof(*icmp));
  if (!icmp) return false;
  old = *(__be16*)icmp;
  icmp->type = p->to.family == 4 ? ECHO_REPLY : ECHO_REPLY6;
  icmp->checksum = changed_checksum(icmp->checksum, old, *(__be16*)icmp);
  return true;
}

// Not to another echo service: the two would never stop.
static __always_inline bool answer_udp(const struct frame* f, const struct packet* p) {
  struct udphdr* udp = bytes_at(f, p->transport, sizeof(*udp));
  __be16 port;

  if (!udp || !udp->source || udp->source == p->port || !turn_packet(f, p)) return false;
  udp = bytes_at(f, p->transport, sizeof(*udp));
  if (!udp) return false;
  port = udp->source;
  udp->source = udp->dest;
  udp->dest = port;
  return true;
}

// A SYN is acknowledged from a number that only this node can tell; nothing is remembered. The
// acknowledgement that makes the connection is taken as the success it is: a reset right then could
// overtake the prober's look at its socket. What comes after it is reset.
static __always_inline int answer_tcp(struct xdp_md* ctx, const struct frame* f,
                                      const struct packet* p, __u64 secret) {
  const struct tcphdr* tcp = bytes_at(f, p->transport, sizeof(*tcp));
  struct segment s;

  if (!tcp) return XDP_DROP;
  if (p->bits & RST) return XDP_DROP;
  if ((p->bits & (SYN | ACK | FIN)) == SYN) {
    s.sequence = (__be32)(mix(mix_address(mix_address(secret, p->from), p->to.address),
                              (__u32)tcp->source << 16 | tcp->dest) >>
                          32);
    s.acknowledgement = bpf_htonl(bpf_ntohl(tcp->seq) + 1);
    s.flags = SYN | ACK;
    s.window = bpf_htons(ANSWER_WINDOW);
    return become_segment(ctx, p, &s) ? XDP_TX : XDP_DROP;
  }
  if ((p->bits & (SYN | ACK | FIN)) == ACK && p->stop - p->transport == tcp->doff * 4)
    return XDP_DROP;
  return become_reset(ctx, p) ? XDP_TX : XDP_DROP;
}

// A probe: what becomes of it, an XDP action, and in `p->stat` under which it is counted. A global
// function, for the reason that walk() gives.
__noinline int answer(struct xdp_md* ctx, struct packet* p) {
  const struct frame f = frame_of(ctx);
  const struct sluice_xdp_settings* s = settings();

  if (!p || !s) return XDP_DROP;  // never: the verifier does not know the callers
  p->stat = SLUICE_XDP_SILENT;
  if (!all_workers_alive(s)) {
    if (!(s->flags & SLUICE_XDP_STALE_TO_LINUX)) return XDP_DROP;
    p->stat = SLUICE_XDP_PASS;
    return XDP_PASS;
  }
  if (!answerable(&f, p)) return XDP_DROP;
  p->stat = SLUICE_XDP_ANSWERED;
  switch (p->kind) {
    case KIND_ECHO:
      return answer_echo(&f, p) ? XDP_TX : XDP_DROP;
    case KIND_UDP:
      return answer_udp(&f, p) ? XDP_TX : XDP_DROP;
    default:
      return answer_tcp(ctx, &f, p, s->secret);
  }
}

#endif
