// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Second duty: notes what backends say where their packets pass: SYN-ACK, RST, ICMP unreachable,
// and answers to this node's own probes, with the time at which the driver saw them. Changes no
// packet.
#ifndef SLUICE_XDP_OBSERVE_BPF_H
#define SLUICE_XDP_OBSERVE_BPF_H

#include "xdp/frame.bpf.h"
#include "xdp/maps.bpf.h"

enum { FRAGMENTATION_NEEDED = 4, ECHO_ANSWER = 0, ECHO_ANSWER6 = 129, UNREACHABLE_TYPE6 = 1 };

// Whether `p` may tell of a backend: none of the packets of which there are many.
static __always_inline bool is_sign(const struct packet* p) {
  switch (p->kind) {
    case KIND_TCP:
      return p->bits & RST || (p->bits & (SYN | ACK)) == (SYN | ACK);
    case KIND_UDP:
      return p->stat == SLUICE_XDP_PASS;
    case KIND_ICMP:
      return p->to.family == 4 ? p->bits == ECHO_ANSWER || p->bits == UNREACHABLE
                               : p->bits == ECHO_ANSWER6 || p->bits == UNREACHABLE_TYPE6;
    default:
      return false;
  }
}

static __always_inline bool is_unreachable(const struct packet* p) {
  return p->kind == KIND_ICMP && p->bits == (p->to.family == 4 ? UNREACHABLE : UNREACHABLE_TYPE6);
}

static __always_inline const struct sluice_xdp_backend* backend_at(
    struct sluice_xdp_service_key* key, __u8 family, const __u32* address) {
  key->family = family;
  __builtin_memcpy(key->address, address, sizeof(key->address));
  return bpf_map_lookup_elem(&sluice_backends, key);
}

// The backend to which the packet went that an ICMP error quotes, if whoever got the error sent it.
static __always_inline const struct sluice_xdp_backend* quoted_backend(
    const struct frame* f, const struct packet* p, struct sluice_xdp_service_key* key) {
  __u32 at = p->transport + ICMP_BYTES, address[4];

  if (p->to.family == 4) {
    const struct iphdr* ip = bytes_at(f, at, sizeof(*ip));

    if (!ip || at + sizeof(*ip) > p->stop || ip->version != 4 || ip->saddr != p->to.address[0])
      return NULL;
    address[0] = ip->daddr;
    address[1] = address[2] = address[3] = 0;
  } else {
    const struct ipv6hdr* ip = bytes_at(f, at, sizeof(*ip));
    const __u32* source;

    if (!ip || at + sizeof(*ip) > p->stop || ip->version != 6) return NULL;
    source = ip->saddr.in6_u.u6_addr32;
    if (source[0] != p->to.address[0] || source[1] != p->to.address[1] ||
        source[2] != p->to.address[2] || source[3] != p->to.address[3])
      return NULL;
    __builtin_memcpy(address, &ip->daddr, sizeof(address));
  }
  return backend_at(key, p->to.family, address);
}

// In direct server return a backend speaks as the VIP: its MAC address is all that tells it.
static __always_inline const struct sluice_xdp_backend* backend_behind_vip(
    const struct frame* f, const struct packet* p, struct sluice_xdp_service_key* key) {
  const struct ethhdr* eth = bytes_at(f, 0, sizeof(*eth));
  const struct sluice_xdp_backend* found;
  const struct sluice_xdp_service* vip;
  __u32 mac[4];

  if (!eth) return NULL;
  __builtin_memset(mac, 0, sizeof(mac));
  __builtin_memcpy(mac, eth->h_source, ETH_ALEN);
  found = backend_at(key, 0, mac);
  if (!found) return NULL;
  key->family = p->to.family;
  __builtin_memcpy(key->address, p->from, sizeof(key->address));
  vip = bpf_map_lookup_elem(&sluice_services, key);
  return vip && vip->flags & SLUICE_XDP_TCP_SERVICE ? found : NULL;
}

// Puts an event into the ring, unless one of its kind was there a moment ago: then, as when the
// ring is full, the state stays as it is, so that the next packet of this kind tries again.
static __always_inline void raise_event(struct sluice_xdp_signals* b, __u32 number, __u32 kind,
                                        __u64 now, const struct sluice_xdp_settings* s) {
  __u64* last = &b->event_at[kind & (SLUICE_XDP_EVENT_KINDS - 1)];
  struct sluice_xdp_event* event;

  if (*last && now - *last < s->event_gap) return;
  *last = now;
  event = bpf_ringbuf_reserve(&sluice_events, sizeof(*event), 0);
  if (!event) {
    struct sluice_xdp_shared* all = shared();

    if (all) __sync_fetch_and_add(&all->events_lost, 1);
    return;
  }
  event->at = now;
  event->backend = number;
  event->kind = kind;
  event->reserved = 0;
  b->state = kind + 1;
  bpf_ringbuf_submit(event, 0);
}

static __always_inline void heard(struct sluice_xdp_signals* b, __u32 number, bool answer,
                                  const struct sluice_xdp_settings* s) {
  __u64 now = bpf_ktime_get_ns(), before = b->heard_at;

  b->heard_at = now;
  if (answer) {
    __sync_fetch_and_add(&b->answers, 1);
    b->answered_at = now;
  }
  if (b->state != SLUICE_XDP_ANSWERS + 1 ||
      (s->silence && (__s64)(now - before) > (__s64)s->silence))
    raise_event(b, number, SLUICE_XDP_ANSWERS, now, s);
}

// A packet for which is_sign() holds. A global function, for the reason that walk() gives.
__noinline int observe(struct xdp_md* ctx, const struct packet* p) {
  const struct frame f = frame_of(ctx);
  const struct sluice_xdp_settings* s = settings();
  const struct sluice_xdp_backend* found = NULL;
  struct sluice_xdp_signals* b;
  struct sluice_xdp_service_key key;
  __u32 number;

  if (!p || !s) return 0;  // never: the verifier does not know the callers
  __builtin_memset(&key, 0, sizeof(key));
  if (is_unreachable(p)) {
    const __u8* message = bytes_at(&f, p->transport, ICMP_BYTES);

    // That one can be reached, only not by packets of that size.
    if (!message || (p->to.family == 4 && message[1] == FRAGMENTATION_NEEDED)) return 0;
    found = quoted_backend(&f, p, &key);
  }
  if (!found) found = backend_at(&key, p->to.family, p->from);
  if (!found && p->kind == KIND_TCP) found = backend_behind_vip(&f, p, &key);
  if (!found) return 0;
  number = found->number;
  b = bpf_map_lookup_elem(&sluice_signals, &number);
  if (!b) return 0;

  if (is_unreachable(p)) {
    __sync_fetch_and_add(&b->unreachables, 1);
    if (b->state != SLUICE_XDP_UNREACHABLE + 1)
      raise_event(b, number, SLUICE_XDP_UNREACHABLE, bpf_ktime_get_ns(), s);
  } else if (p->kind == KIND_TCP && p->bits & RST) {
    const struct tcphdr* tcp = bytes_at(&f, p->transport, sizeof(*tcp));
    // RFC 9293, section 3.10.7.1: so a SYN to a closed port is answered, and nothing else.
    bool refusal = tcp && p->bits & ACK && !tcp->seq;

    __sync_fetch_and_add(&b->resets, 1);
    if (refusal) __sync_fetch_and_add(&b->refusals, 1);
    if (refusal ? b->state != SLUICE_XDP_REFUSES + 1 : b->state <= SLUICE_XDP_ANSWERS + 1)
      raise_event(b, number, refusal ? SLUICE_XDP_REFUSES : SLUICE_XDP_RESETS, bpf_ktime_get_ns(),
                  s);
  } else {
    if (p->kind == KIND_TCP) __sync_fetch_and_add(&b->syn_acks, 1);
    heard(b, number, p->stat == SLUICE_XDP_PASS, s);
  }
  return 0;
}

#endif
