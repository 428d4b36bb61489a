/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error domain of patcher/, and how every error becomes an exit status.
 */
#ifndef PATCHER_ERROR_H
#define PATCHER_ERROR_H

#include <glib.h>

#define PATCH_ERROR (patch_error_quark())
GQuark patch_error_quark(void);

typedef enum {
    PATCH_ERROR_FAILED,         /* the guest is as it was */
    PATCH_ERROR_USAGE,
    PATCH_ERROR_NOT_NOW,        /* unsafe at the moment, or busy: try again */
    PATCH_ERROR_PASSING,        /* the same, and over as soon as the guest's kernel has done what it is doing: plan again */
    PATCH_ERROR_NOT_WELL,       /* it was done, and since then the guest is not well */
    PATCH_ERROR_NO_ROOM,        /* the kernel's image has none left; memory from the guest's allocator may do */
    PATCH_ERROR_DOES_NOT_FIT,   /* another kernel, other code, a conflict with another update */
} PatchError;

/* The exit statuses of the command line. The manual page promises them. */
enum {
    PATCH_EXIT_DONE = 0,
    PATCH_EXIT_FAILED = 1,
    PATCH_EXIT_USAGE = 2,
    PATCH_EXIT_NOT_NOW = 3,
    PATCH_EXIT_DOES_NOT_FIT = 4,
    PATCH_EXIT_NOT_WELL = 5,
};

/* For errors of any of the project's domains; anything else is PATCH_EXIT_FAILED. */
int patch_exit_status(const GError *error);

#endif
