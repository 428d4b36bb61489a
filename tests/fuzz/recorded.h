/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fuzzers of a recorded guest have in common. The record (record-guest) is named by VLP_FUZZ_GUEST.
 */
#ifndef TESTS_FUZZ_RECORDED_H
#define TESTS_FUZZ_RECORDED_H

#include "introspect/kernel.h"
#include "tests/fuzz/guest-record.h"

/* What is done with the guest, first undamaged and then with every input's damage. KERNEL was attached to while there
 * was none. */
typedef void (*RecordedLook)(const VmmReader *reader, const IntroKernel *kernel);

/* To be called by the look: more damage, taken back as the rest is. VA is looked up as the guest is then. */
void recorded_write(GuestVa va, const guint8 *bytes, gsize length);

void recorded_fuzz(RecordedLook look, const guint8 *data, gsize size);

#endif
