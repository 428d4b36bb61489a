/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error domain of introspect/.
 */
#ifndef INTROSPECT_ERROR_H
#define INTROSPECT_ERROR_H

#include <glib.h>

#define INTRO_ERROR (intro_error_quark())
GQuark intro_error_quark(void);

typedef enum {
    INTRO_ERROR_NO_KERNEL,      /* no x86-64 Linux kernel in this guest (firmware, boot loader, something else) */
    INTRO_ERROR_BOOTING,        /* a kernel is there, but not up yet */
    INTRO_ERROR_UNSUPPORTED,    /* a kernel without what is needed (kallsyms, BTF, ...); the message names it */
    INTRO_ERROR_CORRUPT,        /* guest memory holds something that cannot be right */
    INTRO_ERROR_NOT_MAPPED,     /* no page at that guest-virtual address */
    INTRO_ERROR_NOT_FOUND,      /* no such symbol, type, member or task */
} IntroError;

#endif
