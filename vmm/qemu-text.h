/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's human monitor prints, turned into values. That text is meant for people and has changed before, so it is
 * read strictly: anything that is not what was expected is VMM_ERROR_PROTOCOL, never a guess.
 */
#ifndef VMM_QEMU_TEXT_H
#define VMM_QEMU_TEXT_H

#include "vmm/machine.h"

/* More regions than any machine has; a bound for what a broken monitor can make us do. */
#define VMM_MAX_REGIONS 4096

/* From `info mtree -f`: where RAM lies in the system's address space; VmmRange, ascending, without overlaps. ROM,
 * devices and memory in other address spaces are left out. */
GArray *vmm_qemu_parse_mtree(const char *text, GError **error);

/* From `gpa2hva`: the address in QEMU's own process. */
gboolean vmm_qemu_parse_gpa2hva(const char *text, guint64 *hva, GError **error);

/* From `info registers`, in its long-mode and its legacy form. It does not tell kernel_gs_base, which becomes 0. INDEX
 * is left alone. */
gboolean vmm_qemu_parse_registers(const char *text, VmmVcpu *vcpu, GError **error);

/* From query-chardev's "filename": the path of a UNIX socket that QEMU listens on, to be freed, and whether somebody is
 * connected to it (may be NULL). NULL if it is anything else. */
char *vmm_qemu_parse_listener(const char *filename, gboolean *connected);

/* TEXT is a run state, or tells one: whether the guest is about to run elsewhere, or does, and must not run here. */
gboolean vmm_qemu_tells_moved(const char *text);

/* Says so: VMM_ERROR_LOST. Returns FALSE. */
gboolean vmm_qemu_set_moved_error(GError **error);

#endif
