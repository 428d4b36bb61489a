/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/kvm-protocol.h"

/* For the machine's file: */
enum { NONE = -1, SEVERAL = -2 };

static gint
compare_ids(gconstpointer a, gconstpointer b)
{
    guint one = ((const VmmKvmFile *)a)->id, other = ((const VmmKvmFile *)b)->id;

    return (one > other) - (one < other);
}

/* Two vCPUs of one number are of two machines. */
static void
take_file(GArray *vcpus, int *vm, int fd, const char *target)
{
    VmmKvmFile vcpu = { .fd = fd };

    if (strcmp(target, "anon_inode:kvm-vm") == 0) {
        *vm = *vm == NONE ? fd : SEVERAL;
    } else if (sscanf(target, "anon_inode:kvm-vcpu:%u", &vcpu.id) == 1) {
        for (guint i = 0; i < vcpus->len; i++)
            if (g_array_index(vcpus, VmmKvmFile, i).id == vcpu.id)
                *vm = SEVERAL;
        g_array_append_val(vcpus, vcpu);
    }
}

static gboolean
take_files(pid_t pid, GArray *vcpus, int *vm, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;

    if (directory == NULL) {
        gboolean exists = access(path, F_OK) == 0;

        g_set_error(error, VMM_ERROR, exists ? VMM_ERROR_UNREACHABLE : VMM_ERROR_NOT_FOUND, "process %d: %s", (int)pid,
                    exists ? "may not be looked at; run this as root" : "there is none");
        return FALSE;
    }
    while ((name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        char target[64];
        ssize_t n = readlink(link, target, sizeof target - 1);

        if (n > 0) {
            target[n] = '\0';
            take_file(vcpus, vm, atoi(name), target);
        }
    }
    return TRUE;
}

GArray *
vmm_kvm_files_find(pid_t pid, int *vm, GError **error)
{
    g_autoptr(GArray) vcpus = g_array_new(FALSE, FALSE, sizeof(VmmKvmFile));

    *vm = NONE;
    if (!take_files(pid, vcpus, vm, error))
        return NULL;
    if (*vm == NONE || vcpus->len == 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND, "process %d has no machine that was made with KVM", (int)pid);
        return NULL;
    }
    if (*vm == SEVERAL || vcpus->len > VMM_KVM_MAX_VCPUS) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "process %d has %s", (int)pid,
                    *vm == SEVERAL ? "more than one machine" : "more vCPUs than this knows to handle");
        return NULL;
    }
    g_array_sort(vcpus, compare_ids);
    return g_steal_pointer(&vcpus);
}
