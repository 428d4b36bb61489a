/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error domain of vmm/.
 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

#include <glib.h>

#define VMM_ERROR (vmm_error_quark())
GQuark vmm_error_quark(void);

typedef enum {
    VMM_ERROR_USAGE,        /* the guest's specification makes no sense */
    VMM_ERROR_NOT_FOUND,    /* no such domain, no such socket */
    VMM_ERROR_UNREACHABLE,  /* it is there, but does not answer or lets nobody in */
    VMM_ERROR_PROTOCOL,     /* it answered something that was not expected */
    VMM_ERROR_BUSY,         /* not at this moment: paused by somebody else, migrating, debugged by somebody else */
    VMM_ERROR_BAD_ADDRESS,  /* no guest memory at that guest-physical address */
    VMM_ERROR_LOST,         /* the machine or the connection to it went away */
    VMM_ERROR_UNSUPPORTED,  /* this kind of machine cannot do that */
} VmmError;

#endif
