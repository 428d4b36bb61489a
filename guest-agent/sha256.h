/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256, FIPS 180-4. The kernel's own is not to be had in every guest.
 */
#ifndef AGENT_SHA256_H
#define AGENT_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} Sha256;

void sha256_init(Sha256 *sha);
void sha256_add(Sha256 *sha, const void *data, size_t length);
/* 64 digits and a NUL. */
void sha256_end(Sha256 *sha, char hex[65]);

#endif
