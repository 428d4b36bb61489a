/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files of a process are a machine of KVM's: what their links in /proc/PID/fd say.
 *
 * Sources: kvm_create_vm() and create_vcpu_fd() in virt/kvm/kvm_main.c of Linux.
 */
#ifndef VMM_KVM_FILES_H
#define VMM_KVM_FILES_H

#include <glib.h>
#include <sys/types.h>

typedef struct {
    guint id;                   /* the vCPU's */
    int fd;                     /* in that process */
} VmmKvmFile;

/* The machine's vCPUs, of VmmKvmFile, by id; at least one and at most VMM_KVM_MAX_VCPUS. *VM is the machine's own. Errors:
 * NOT_FOUND (no process, or no machine), UNREACHABLE, UNSUPPORTED (more than one machine). */
GArray *vmm_kvm_files_find(pid_t pid, int *vm, GError **error);

#endif
