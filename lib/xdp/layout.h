/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* What the XDP filter's maps hold: one text for the BPF program, the loader (C++) and the tests.
 * A change of meaning or size raises SLUICE_XDP_LAYOUT, so that no program ever misreads a map that
 * another version pinned. */
#ifndef SLUICE_XDP_LAYOUT_H
#define SLUICE_XDP_LAYOUT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SLUICE_XDP_LAYOUT 1

/* Entries of each map. Services count once each, and once more for each address and family. */
#define SLUICE_XDP_SERVICES 65536
#define SLUICE_XDP_QUEUES 1024 /* receive queues of one interface */
#define SLUICE_XDP_COUNTS 16   /* most are spare: a new counter is no new layout */

/* sluice_services: what belongs to a service. Three kinds of entry:
 *   address, port, protocol   that service;
 *   address, 0, protocol      every port of that address and protocol;
 *   address, 0, 0             this is an address of some service: packets for it whose ports cannot
 *                             be read (fragments, lying lengths) are the worker's to count. */
struct sluice_xdp_service_key {
  __u32 address[4]; /* as in the packet (network order); IPv4: word 0, the rest 0 */
  __u16 port;       /* network order */
  __u8 protocol;    /* IPPROTO_TCP, IPPROTO_UDP */
  __u8 family;      /* 4 or 6 */
};

struct sluice_xdp_service {
  __u32 number;      /* the snapshot's number of the service; 0 for an address entry */
  __u32 flags;       /* none yet; a program refuses nothing because of a flag it does not know */
  __u64 reserved[3]; /* 0; room for refusal at once, probe answers and limits */
};

/* sluice_settings: one entry, written by the loader before any other map is used. */
struct sluice_xdp_settings {
  __u32 layout;       /* SLUICE_XDP_LAYOUT */
  __u32 flags;        /* none yet */
  __u64 reserved[15]; /* 0; room for heartbeat limits, rates and switches */
};

/* sluice_stats: per interface and CPU; every packet is counted under exactly one of these. */
enum sluice_xdp_stat {
  SLUICE_XDP_PASS,      /* not for a service: to Linux */
  SLUICE_XDP_REDIRECT,  /* for a service: to the worker */
  SLUICE_XDP_FRAGMENT,  /* a fragment for a service address: to the worker, which counts it */
  SLUICE_XDP_MALFORMED, /* a lying or cut header, for a service address: likewise */
  SLUICE_XDP_NO_SOCKET, /* for the worker, but no socket serves its queue: to Linux */
  SLUICE_XDP_STATS,
};

struct sluice_xdp_count {
  __u64 packets;
  __u64 bytes; /* from the Ethernet header on, without checksum */
};

#endif
