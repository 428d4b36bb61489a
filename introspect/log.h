/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's log, as dmesg shows it, out of its ring buffer in guest memory.
 * Source: kernel/printk/printk_ringbuffer.[ch] of Linux 5.10 and later; a kernel with an older one is
 * INTRO_ERROR_UNSUPPORTED.
 */
#ifndef INTROSPECT_LOG_H
#define INTROSPECT_LOG_H

#include "introspect/kernel.h"

/* No more of the newest records than these are looked at. */
#define INTRO_LOG_MAX_RECORDS 16384

typedef struct {
    guint64 sequence;       /* as in /dev/kmsg */
    guint64 time_ns;        /* since the guest booted */
    guint level;            /* 0 (emergency) to 7 (debug) */
    guint facility;         /* 0: the kernel itself; what programs write is of another */
    char *text;             /* printable UTF-8; one of several lines has newlines in it */
} IntroLogRecord;

/* The number that the next record will have. */
gboolean intro_log_next_sequence(const IntroKernel *kernel, guint64 *sequence, GError **error);

/* The records from number FROM on that are there still, oldest first: of IntroLogRecord, to be unreferenced. One that is
 * being written at the moment is left out. */
GPtrArray *intro_log_read(const IntroKernel *kernel, guint64 from, GError **error);

/* Whether the kernel says there that something has gone wrong in itself: an oops, a WARN, a stall, a task that hangs, a
 * panic. What a program has written to the log never counts. */
gboolean intro_log_is_alarm(const IntroLogRecord *record);

#endif
