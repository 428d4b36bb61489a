/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest as the commands use it: the machine and the kernel found in it.
 *
 * Between the two this process gives up its privileges for good (vmm/sandbox.h): what it is to open or connect to, other
 * than for changing a guest, it has to have opened before.
 */
#ifndef PATCHER_GUEST_H
#define PATCHER_GUEST_H

#include "introspect/kernel.h"
#include "vmm/machine.h"

typedef struct {
    VmmMachine *machine;
    IntroKernel *kernel;
    gboolean left_stopped;      /* by a run that was killed: the guest stands still until the end of the next pause */
} PatchGuest;

/* For looking, whatever state the guest is in. Errors: VMM_ERROR and INTRO_ERROR, with the guest's name before them. */
PatchGuest *patch_guest_open(const char *guest, const char *uri, GError **error);

/* The same in two steps, for those who look at several: all have to be reached before the first is looked at. */
PatchGuest *patch_guest_reach(const char *guest, const char *uri, GError **error);
gboolean patch_guest_look(PatchGuest *guest, GError **error);

/* For changing it: also PATCH_ERROR_NOT_NOW if the guest is not running, since somebody else has paused it or it is
 * being moved, and PATCH_ERROR_USAGE if it is a memory image. */
PatchGuest *patch_guest_open_running(const char *guest, const char *uri, GError **error);

/* For putting it right: as for changing it, but a guest that a killed run left stopped will do. */
PatchGuest *patch_guest_open_to_recover(const char *guest, const char *uri, GError **error);

/* For all of that short of the change: as for changing it, but a memory image will do. */
PatchGuest *patch_guest_open_to_check(const char *guest, const char *uri, GError **error);

/* PATCH_ERROR_FAILED if its kernel has panicked. The three above have seen to it, but for a memory image. */
gboolean patch_guest_require_alive(const PatchGuest *guest, GError **error);

/* It is a file or an image: nothing runs in it, and so nothing that is in the way goes away. */
gboolean patch_guest_stands_still(const PatchGuest *guest);

void patch_guest_free(PatchGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchGuest, patch_guest_free)

#endif
