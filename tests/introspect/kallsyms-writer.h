/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes symbol tables as scripts/kallsyms.c of Linux does, in all the forms it has had, for tests.
 */
#ifndef TESTS_INTROSPECT_KALLSYMS_WRITER_H
#define TESTS_INTROSPECT_KALLSYMS_WRITER_H

#include "vmm/addr.h"

typedef enum {
    WRITER_OFFSETS_FIRST,           /* until Linux 6.3 */
    WRITER_OFFSETS_FIRST_SEQS,      /* the same with the order of names */
    WRITER_OFFSETS_LAST,            /* since Linux 6.4 */
    WRITER_OFFSETS_LAST_PACKED,     /* the same with tables at multiples of 4 instead of 8, as in 7.2 */
    WRITER_N_ORDERS
} WriterOrder;

typedef enum {
    WRITER_FROM_BASE,
    WRITER_ABSOLUTE_PER_CPU,
    WRITER_FROM_PLACE,              /* only with offsets last */
    WRITER_N_ENCODINGS
} WriterEncoding;

typedef struct {
    GuestVa va;
    char type;
    const char *name;
} WriterSymbol;

/* Where parts of what was written lie, bytes from the start. */
typedef struct {
    gsize offsets, number, names, markers, token_table, token_index;
} WriterPositions;

/* SYMBOLS ascend; the bytes are to lie at VA, BEFORE bytes of other data first. POSITIONS may be NULL. */
GByteArray *kallsyms_write(const WriterSymbol *symbols, guint32 n_symbols, WriterOrder order, WriterEncoding encoding,
                           GuestVa va, gsize before, WriterPositions *positions);

#endif
