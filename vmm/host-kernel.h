/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host's own kernel holds in its structures and tells in no other way: read with a BPF program of a few
 * instructions, laid out as the kernel's own type information (BTF) says.
 *
 * Needs CAP_BPF and CAP_PERFMON, a kernel with BTF, and one that is not locked down for confidentiality.
 */
#ifndef VMM_HOST_KERNEL_H
#define VMM_HOST_KERNEL_H

#include <glib.h>

typedef struct VmmHostKernel VmmHostKernel;

typedef struct {
    guint32 offset, bytes;
} VmmHostMember;

/* With the types of MODULE, too, if they are that module's and not the kernel's. Errors: UNSUPPORTED. */
VmmHostKernel *vmm_host_kernel_new(const char *module, GError **error);
void vmm_host_kernel_free(VmmHostKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmHostKernel, vmm_host_kernel_free)

/* Files that a helper process has to keep; returns how many. */
guint vmm_host_kernel_fds(const VmmHostKernel *kernel, int fds[2]);

/* Size in bytes of a structure. Errors: UNSUPPORTED (this kernel has none). */
gboolean vmm_host_kernel_size(const VmmHostKernel *kernel, const char *structure, guint32 *bytes, GError **error);

/* Where a member lies, also one of a member without a name. Errors: UNSUPPORTED. */
gboolean vmm_host_kernel_member(const VmmHostKernel *kernel, const char *structure, const char *member,
                                VmmHostMember *found, GError **error);

/* Reads LENGTH bytes at a kernel address. Errors: UNSUPPORTED. */
gboolean vmm_host_kernel_read(VmmHostKernel *kernel, guint64 address, void *buffer, gsize length, GError **error);

/* Reads a member of up to eight bytes as an unsigned number. Errors: UNSUPPORTED. */
gboolean vmm_host_kernel_number(VmmHostKernel *kernel, guint64 address, const char *structure, const char *member,
                                guint64 *value, GError **error);

/* The object behind a file of this very process: what its struct file has as private_data. Errors: UNSUPPORTED. */
gboolean vmm_host_kernel_object(VmmHostKernel *kernel, int fd, guint64 *address, GError **error);

#endif
