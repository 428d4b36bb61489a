/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/error.h"

#define MAX_ENTRIES 256

enum { EAX, EBX, ECX, EDX };

/* Names as in /proc/cpuinfo. xsave takes with it what needs it. */
static const struct {
    const char *name;
    guint32 leaf, subleaf, reg, bits;
} features[] = {
    { "cx16", 1, 0, ECX, 1U << 13 },
    { "pcid", 1, 0, ECX, 1U << 17 },
    { "popcnt", 1, 0, ECX, 1U << 23 },
    { "rdrand", 1, 0, ECX, 1U << 30 },
    { "rdseed", 7, 0, EBX, 1U << 18 },
    { "fsgsbase", 7, 0, EBX, 1U << 0 },
    { "invpcid", 7, 0, EBX, 1U << 10 },
    { "x2apic", 1, 0, ECX, 1U << 21 },
    { "tsc_deadline_timer", 1, 0, ECX, 1U << 24 },
    { "xsave", 1, 0, ECX, 1U << 12 | 1U << 26 | 1U << 27 | 1U << 28 | 1U << 29 },
    { "xsave", 7, 0, EBX, 1U << 5 | 1U << 16 | 1U << 17 | 1U << 28 | 1U << 30 | 1U << 31 },
    { "xsave", 7, 0, ECX, ~0U },
    { "xsave", 7, 0, EDX, ~0U },
    { "xsave", 0xd, 0, EAX, ~0U },
    { "xsave", 0xd, 1, EAX, ~0U },
    { "smap", 7, 0, EBX, 1U << 20 },
    { "smep", 7, 0, EBX, 1U << 7 },
};

static guint32 *
register_of(struct kvm_cpuid_entry2 *entry, guint reg)
{
    guint32 *const registers[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

    return registers[reg];
}

static gboolean
leave_out(struct kvm_cpuid2 *cpuid, const char *name)
{
    gboolean known = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(features); i++) {
        if (strcmp(features[i].name, name) != 0)
            continue;
        known = TRUE;
        for (guint j = 0; j < cpuid->nent; j++)
            if (cpuid->entries[j].function == features[i].leaf && cpuid->entries[j].index == features[i].subleaf)
                *register_of(&cpuid->entries[j], features[i].reg) &= ~features[i].bits;
    }
    return known;
}

/* Which of how many it is: the same for all in what KVM supports. */
static void
number_vcpu(struct kvm_cpuid2 *cpuid, guint index, guint n_vcpus)
{
    for (guint i = 0; i < cpuid->nent; i++) {
        struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

        if (entry->function == 1)
            entry->ebx = (entry->ebx & 0xffff) | n_vcpus << 16 | index << 24;
        if (entry->function == 0xb)
            entry->edx = index;
    }
}

gboolean
vmm_cpuid_set(int kvm_fd, int vcpu_fd, guint index, guint n_vcpus, const char *without, GError **error)
{
    g_autofree struct kvm_cpuid2 *cpuid =
        g_malloc0(sizeof *cpuid + MAX_ENTRIES * sizeof cpuid->entries[0]);
    g_auto(GStrv) names = g_strsplit(without != NULL ? without : "", ",", -1);

    cpuid->nent = MAX_ENTRIES;
    if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) == 0) {
        for (char **name = names; *name != NULL; name++)
            if (!leave_out(cpuid, *name)) {
                g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "there is no feature '%s' to be left out", *name);
                return FALSE;
            }
        number_vcpu(cpuid, index, n_vcpus);
        if (ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid) == 0)
            return TRUE;
    }
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "KVM: cannot describe a vCPU: %s", g_strerror(errno));
    return FALSE;
}
