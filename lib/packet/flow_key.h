/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* Flow key and flow hash: one text for the workers (C++), the XDP program (BPF) and the tools, so
 * that all of them agree on where a flow goes. BPF sources include vmlinux.h before this file. */
#ifndef SLUICE_PACKET_FLOW_KEY_H
#define SLUICE_PACKET_FLOW_KEY_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Words and ports hold the bytes as they stand in the packet (network order). */
struct sluice_flow_key {
  __u32 source[4];      /* IPv4: word 0, the rest 0 */
  __u32 destination[4]; /* likewise */
  __u16 source_port;
  __u16 destination_port;
  __u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
  __u8 family;   /* 4 or 6 */
  __u16 zero;    /* always 0: the key is compared and hashed as memory */
};

/* The secret that all nodes of a site share. */
struct sluice_hash_key {
  __u32 word[10];
  __u32 zero[2]; /* pads to 48 bytes */
  __u64 tail;
};

static inline __u64 sluice_flow_hash_pair(__u32 a, __u32 ka, __u32 b, __u32 kb) {
  return (__u64)(__u32)(a + ka) * (__u32)(b + kb);
}

/* 64 uniform bits. NH (Black et al., "UMAC", CRYPTO 1999) compresses the key: whoever does not know
 * the secret finds two flows that collide with probability 2^-32 at best. Stafford's mix 13 of the
 * 64-bit murmur finaliser then spreads the result; it is a bijection, so it adds no collision.
 * 32-bit multiplications only, since BPF has no wider product. Cost: 2 of them for IPv4, 5 for
 * IPv6.
 */
static inline __u64 sluice_flow_hash(const struct sluice_flow_key* key,
                                     const struct sluice_hash_key* secret) {
  __u32 ports = (__u32)key->source_port | (__u32)key->destination_port << 16;
  __u32 kind = (__u32)key->protocol | (__u32)key->family << 8;
  __u64 h = secret->tail;

  h += sluice_flow_hash_pair(key->source[0], secret->word[0], key->destination[0], secret->word[1]);
  h += sluice_flow_hash_pair(ports, secret->word[2], kind, secret->word[3]);
  if (key->family != 4) {
    h += sluice_flow_hash_pair(key->source[1], secret->word[4], key->destination[1],
                               secret->word[5]);
    h += sluice_flow_hash_pair(key->source[2], secret->word[6], key->destination[2],
                               secret->word[7]);
    h += sluice_flow_hash_pair(key->source[3], secret->word[8], key->destination[3],
                               secret->word[9]);
  }
  h ^= h >> 30;
  h *= 0xbf58476d1ce4e5b9ULL;
  h ^= h >> 27;
  h *= 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

#endif
