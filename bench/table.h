/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was measured, a line for each thing, with its least, median, 99th percentile and most. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <glib.h>

typedef struct {
    const char *name;
    GArray *samples;            /* of double */
} BenchRow;

/* NAME has to be static. */
BenchRow bench_row(const char *name);
void bench_add(BenchRow *row, double sample);
double bench_median(const BenchRow *row);

void bench_print_head(void);
void bench_print(const BenchRow *row, const char *unit);

#endif
