// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A frame as a BPF program reads it: headers, bounds, and where its headers lead to.
#ifndef SLUICE_XDP_FRAME_BPF_H
#define SLUICE_XDP_FRAME_BPF_H

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
#define TCP_FLAGS_AT 13 /* byte of the TCP header */
#define OF_A_SERVICE (1U << 31)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

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

// What a duty may have to do with a packet, beside where it goes. Whole packets only: fragments and
// what is lying or cut are KIND_OTHER.
enum kind { KIND_OTHER, KIND_TCP, KIND_UDP, KIND_ECHO, KIND_ICMP };

// One received packet, as classify() leaves it to the duties.
struct packet {
  struct reach r;                    // its headers; those that an ICMP error quotes, once read
  struct sluice_xdp_service_key to;  // its destination
  __u32 from[4];                     // its source, likewise
  __u32 stop;                        // its end: padding follows
  __u32 link;                        // bytes of Ethernet header and VLAN tags
  __u32 transport;                   // where its TCP, UDP or ICMP header begins
  __u32 service;                     // TCP, UDP for a service: OF_A_SERVICE and the service's flags
  __u32 stat;                        // under which it is counted
  __be16 port;                       // that it is for, of TCP and UDP
  __u8 kind;                         // enum kind
  __u8 bits;                         // TCP: flags; ICMP: type
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
// lets a program use only the very values that were compared: the barriers keep the compiler from
// loading or computing them again.
static __always_inline void* bytes_at(const struct frame* f, __u64 offset, __u32 size) {
  void* at;

  barrier_var(offset);
  if (offset > FARTHEST) return NULL;
  at = f->data + offset;
  barrier_var(at);
  return at + size > f->end ? NULL : at;
}

// Likewise, but only what belongs to the packet.
static __always_inline void* part(const struct frame* f, const struct reach* r, __u32 size) {
  return r->offset + size > r->stop ? NULL : bytes_at(f, r->offset, size);
}

#endif
