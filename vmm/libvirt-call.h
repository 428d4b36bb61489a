/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's calls with a time limit: they have none of their own, and libvirtd, or what it asks, may have been stopped.
 */
#ifndef VMM_LIBVIRT_CALL_H
#define VMM_LIBVIRT_CALL_H

#include <glib.h>

/* What is done in a thread of its own. */
typedef gboolean (*VmmLibvirtFunction)(gpointer data, GError **error);

typedef struct VmmLibvirtCall VmmLibvirtCall;

/* Begins to have FUNCTION done with DATA, which is taken over; FREE_DATA frees it. */
VmmLibvirtCall *vmm_libvirt_call_begin(VmmLibvirtFunction function, gpointer data, GDestroyNotify free_data);

/* Waits until DEADLINE (monotonic, us). The data, when FUNCTION succeeded. Else NULL, and they are freed: now, or when
 * FUNCTION returns, by a thread that is left behind. CALL is gone. Errors: UNREACHABLE (not done by then), those of
 * FUNCTION. */
gpointer vmm_libvirt_call_end(VmmLibvirtCall *call, gint64 deadline, GError **error);

/* Both. */
gpointer vmm_libvirt_call(VmmLibvirtFunction function, gpointer data, GDestroyNotify free_data, gint64 timeout_us,
                          GError **error);

/* What libvirt said last in this thread, as an error of CODE behind CONTEXT; always FALSE. */
gboolean vmm_libvirt_set_error(int code, const char *context, GError **error);

#endif
