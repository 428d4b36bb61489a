/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/table.h"

#include <stdio.h>

BenchRow
bench_row(const char *name)
{
    return (BenchRow) { name, g_array_new(FALSE, FALSE, sizeof(double)) };
}

void
bench_add(BenchRow *row, double sample)
{
    g_array_append_val(row->samples, sample);
}

static gint
compare_doubles(gconstpointer a, gconstpointer b)
{
    double one = *(const double *) a, other = *(const double *) b;

    return (one > other) - (one < other);
}

static double
percentile(const BenchRow *row, guint percent)
{
    g_array_sort(row->samples, compare_doubles);
    return g_array_index(row->samples, double, (row->samples->len - 1) * percent / 100);
}

double
bench_median(const BenchRow *row)
{
    return percentile(row, 50);
}

void
bench_print_head(void)
{
    printf("%-34s %9s %9s %9s %9s\n", "", "least", "median", "99 %", "most");
}

void
bench_print(const BenchRow *row, const char *unit)
{
    printf("%-34s %9.3f %9.3f %9.3f %9.3f %s\n", row->name, percentile(row, 0), percentile(row, 50), percentile(row, 99),
           percentile(row, 100), unit);
}
