/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fuzzer has to provide; fuzz.c has the rest.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <glib.h>

/* One input. It may take two seconds of CPU time. */
void fuzz(const guint8 *data, gsize size);

#endif
