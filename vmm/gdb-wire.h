/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of the GDB remote protocol: `$payload#checksum`, with escapes and run lengths.
 */
#ifndef VMM_GDB_WIRE_H
#define VMM_GDB_WIRE_H

#include <glib.h>

/* More than any stub's packets hold. */
#define VMM_GDB_MAX_PACKET (256 * 1024)

/* Appends PAYLOAD to OUT as a packet. */
void vmm_gdb_frame(GString *out, const char *payload, gsize length);

/*
 * Takes the first packet out of IN, from *POSITION on, and moves *POSITION behind it. *PAYLOAD is NULL if it has not
 * wholly arrived yet. Acknowledgements between packets are passed over. Errors: PROTOCOL.
 */
gboolean vmm_gdb_unframe(const GString *in, gsize *position, GString **payload, GError **error);

/* LENGTH bytes as hexadecimal digits. */
void vmm_gdb_append_hex(GString *out, const guint8 *bytes, gsize length);

/* The bytes of hexadecimal digits, or NULL if they are not such; `x`, which stands for a byte that is not known,
 * reads as 0. */
GByteArray *vmm_gdb_parse_hex(const char *digits, gsize n_digits);

#endif
