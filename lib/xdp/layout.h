/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* What the XDP filter's maps hold: one text for the BPF program, the loader (C++) and the tests.
 * A change of meaning or size raises SLUICE_XDP_LAYOUT, so that no program ever misreads a map that
 * another version pinned. */
#ifndef SLUICE_XDP_LAYOUT_H
#define SLUICE_XDP_LAYOUT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SLUICE_XDP_LAYOUT 3

/* Entries of each map. Services count once each, and once more for each address. */
#define SLUICE_XDP_SERVICES 65536
#define SLUICE_XDP_ANSWERED_ADDRESSES 4096
#define SLUICE_XDP_WORKERS 128
#define SLUICE_XDP_DENIED_PREFIXES 200000 /* of each family: old and new beside each other */
#define SLUICE_XDP_SYN_SLOTS 1048576      /* a power of 2 */
#define SLUICE_XDP_SYN_SOURCES 65536
#define SLUICE_XDP_BACKENDS 131072    /* 65536 numbers, each with an address and a MAC address */
#define SLUICE_XDP_EVENT_BYTES 262144 /* of the ring: about 8000 events */
#define SLUICE_XDP_QUEUES 1024        /* receive queues of one interface */
#define SLUICE_XDP_COUNTS 16          /* most are spare: a new counter is no new layout */

/* sluice_services: what belongs to a service. Two kinds of entry:
 *   address, port, protocol   that service; port 0: every port of that address and protocol;
 *   address, 0, 0             what else is known of an address of some service or of NAT: its value
 *                             has the flags below, never none. */
struct sluice_xdp_service_key {
  __u32 address[4]; /* as in the packet (network order); IPv4: word 0, the rest 0 */
  __u16 port;       /* network order */
  __u8 protocol;    /* IPPROTO_TCP, IPPROTO_UDP */
  __u8 family;      /* 4 or 6 */
};

/* Flags of an address entry. A program refuses nothing because of a flag it does not know. */
enum sluice_xdp_address {
  SLUICE_XDP_TCP_SERVICE = 1 << 0, /* some service has the address and protocol: its fragments */
  SLUICE_XDP_UDP_SERVICE = 1 << 1,
  SLUICE_XDP_TCP_EVERY_PORT = 1 << 2, /* a service has every port of it */
  SLUICE_XDP_UDP_EVERY_PORT = 1 << 3,
  SLUICE_XDP_TCP_NAT = 1 << 4, /* NAT lends its ports: all that comes to it is the workers' */
  SLUICE_XDP_UDP_NAT = 1 << 5,
};

/* Flags of a service. Of one that has every port, they stand in the address entry, shifted. */
enum sluice_xdp_service_flag {
  SLUICE_XDP_REFUSE_NEW = 1 << 0,      /* TCP: a SYN is refused, all else is the worker's */
  SLUICE_XDP_REFUSE_ALL = 1 << 1,      /* every packet is refused */
  SLUICE_XDP_REFUSE_SILENTLY = 1 << 2, /* by dropping it: no RST, no ICMP unreachable */
};
#define SLUICE_XDP_SERVICE_MASK 0xff
#define SLUICE_XDP_TCP_SHIFT 8
#define SLUICE_XDP_UDP_SHIFT 16

struct sluice_xdp_service {
  __u32 number;      /* the snapshot's number of the service; 0 for an address entry */
  __u32 flags;       /* enum sluice_xdp_address of an address entry, else ..._service_flag */
  __u64 reserved[3]; /* 0; room for standing in: which table the service has, its size, its mode */
};

/* sluice_settings: one entry, written by the loader alone, before any other map is used. Rates are
 * pairs: what one packet costs and how much a rested bucket has room for, both in nanoseconds; a
 * cost of 0 is no limit. */
struct sluice_xdp_settings {
  __u32 layout;    /* SLUICE_XDP_LAYOUT */
  __u32 flags;     /* enum sluice_xdp_switch */
  __u64 icmp_cost; /* ICMP errors of all refusals together */
  __u64 icmp_room;
  __u64 secret;     /* of answers' first sequence numbers, and of the slots of sources */
  __u64 answer_age; /* of every worker's heartbeat, in nanoseconds: younger, or no answer */
  __u32 workers;    /* so many have a heartbeat; 0: nothing is answered */
  __u16 answer_udp; /* port, network order; 0: none */
  __u16 answer_tcp;
  __u64 syn_cost;  /* SYNs of one source prefix to all services */
  __u64 syn_room;  /* of the source's own bucket */
  __u64 slot_room; /* of the slot that it shares; both rooms together are the burst */
  __u32 syn_mask4; /* the bits of a source that count, network order */
  __u32 syn_mask6[4];
  __u32 reserved_word;
  __u64 silence;      /* a backend that is heard again after so long raises an event; 0: never */
  __u64 event_gap;    /* between two events of one kind about one backend, at least */
  __u64 reserved[18]; /* 0; room for standing in */
};

enum sluice_xdp_switch {
  SLUICE_XDP_ANSWER_ECHO = 1 << 0,
  SLUICE_XDP_STALE_TO_LINUX = 1 << 1, /* probes that get no answer are Linux's, not dropped */
  SLUICE_XDP_DENY4 = 1 << 2,          /* sluice_deny4 has entries */
  SLUICE_XDP_DENY6 = 1 << 3,
  SLUICE_XDP_OBSERVE = 1 << 4, /* sluice_backends has entries */
};

/* sluice_backends: whose packets are watched. Key: a service key without port and protocol; family
 * 0: the first six bytes of the address are a MAC address. */
struct sluice_xdp_backend {
  __u32 number;
};

/* sluice_events: what became of a backend, at most one event of each kind in settings.event_gap. */
enum sluice_xdp_event_kind {
  SLUICE_XDP_ANSWERS,     /* a SYN-ACK or a probe's answer, after one of the others or silence */
  SLUICE_XDP_REFUSES,     /* a RST that answers a SYN: nobody listens there */
  SLUICE_XDP_RESETS,      /* another RST, the first after SYN-ACKs */
  SLUICE_XDP_UNREACHABLE, /* ICMP says that it cannot be reached, or it says so of another */
  SLUICE_XDP_EVENT_KINDS, /* a power of 2 */
};
struct sluice_xdp_event {
  __u64 at;      /* CLOCK_MONOTONIC, nanoseconds */
  __u32 backend; /* number */
  __u32 kind;
  __u64 reserved;
};

/* sluice_signals: of one backend, by number. Counters only grow. Times are CLOCK_MONOTONIC in
 * nanoseconds, 0: never. */
struct sluice_xdp_signals {
  __u64 syn_acks;
  __u64 resets;   /* RST, refusals among them */
  __u64 refusals; /* RST that answers a SYN */
  __u64 unreachables;
  __u64 answers;     /* of probes: SYN-ACK, echo reply or UDP, to an address of the node's own */
  __u64 heard_at;    /* last SYN-ACK or answer */
  __u64 answered_at; /* last answer */
  __u64 event_at[SLUICE_XDP_EVENT_KINDS];
  __u32 state; /* kind of the last event + 1; 0: none yet */
  __u32 reserved_word;
  __u64 reserved[4];
};

/* sluice_deny4, sluice_deny6: source prefixes that reach no service; longest match. */
struct sluice_xdp_prefix4 {
  __u32 length;  /* bits */
  __u32 address; /* network order */
};
struct sluice_xdp_prefix6 {
  __u32 length;
  __u32 address[4];
};
struct sluice_xdp_denied {
  __u32 flags; /* 0 */
};

/* sluice_syn_slot: buckets that sources share by a keyed hash. sluice_sources: a bucket of its own
 * for each source prefix that has used up the room of its slot. Key: a service key without port and
 * protocol. */
struct sluice_xdp_bucket {
  __u64 full_at; /* when it is full again, CLOCK_MONOTONIC in nanoseconds */
};

/* sluice_answers: addresses at which probes are answered. Key: a service key without port and
 * protocol. */
struct sluice_xdp_answered {
  __u32 flags; /* 0 */
};

/* sluice_beats: one line of memory a worker, which writes it itself by mmap(). */
struct sluice_xdp_beat {
  __u64 nanoseconds; /* CLOCK_MONOTONIC, when the worker was last seen at work */
  __u64 reserved[7];
};

/* sluice_shared: one entry, written by the programs of all interfaces and CPUs. */
struct sluice_xdp_shared {
  __u64 icmp_full_at; /* when the bucket of ICMP errors is full again, CLOCK_MONOTONIC */
  __u64 events_lost;  /* that found no room in sluice_events */
  __u64 reserved[6];
};

/* sluice_stats: per interface and CPU; every packet is counted under exactly one of these. */
enum sluice_xdp_stat {
  SLUICE_XDP_PASS,        /* not for a service: to Linux */
  SLUICE_XDP_REDIRECT,    /* for a service or for NAT, its ICMP included: to the worker */
  SLUICE_XDP_FRAGMENT,    /* a fragment, for an address and protocol of such: to the worker */
  SLUICE_XDP_MALFORMED,   /* a lying or cut header, for an address of such: likewise */
  SLUICE_XDP_NO_SOCKET,   /* for the worker, but no socket serves its queue: to Linux */
  SLUICE_XDP_REFUSED,     /* its service has no backend: answered with RST or ICMP unreachable */
  SLUICE_XDP_UNSERVED,    /* likewise, but dropped: so configured, or nothing that one may answer */
  SLUICE_XDP_ANSWERED,    /* a probe: replied to, or the acknowledgement that ends it */
  SLUICE_XDP_SILENT,      /* a probe: dropped, as a worker's heartbeat is too old */
  SLUICE_XDP_DENIED,      /* for the worker or a probe, but its source is denied: dropped */
  SLUICE_XDP_SYN_LIMITED, /* a SYN for a service, but its source sends too many: dropped */
  SLUICE_XDP_STATS,
};

struct sluice_xdp_count {
  __u64 packets;
  __u64 bytes; /* from the Ethernet header on, without checksum */
};

#endif
