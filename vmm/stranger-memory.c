/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/stranger-memory.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/kvm-slots.h"

#ifndef KVM_MEM_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#endif

struct VmmStrangerMemory {
    pid_t pid;
    VmmHostKernel *kernel;
    guint64 kvm;
    GArray *slots;              /* of VmmSlot, as they were seen first */
    GArray *regions;            /* of VmmKvmRegion */
};

static void
add_region(VmmStrangerMemory *memory, const VmmSlot *slot)
{
    VmmKvmRegion region = {
        slot->region.range.start.value, slot->region.range.length, slot->region.hva,
    };
    VmmKvmRegion *last = memory->regions->len > 0
                             ? &g_array_index(memory->regions, VmmKvmRegion, memory->regions->len - 1) : NULL;

    if (last != NULL && last->pa + last->length == region.pa && last->offset + last->length == region.offset)
        last->length += region.length;
    else
        g_array_append_val(memory->regions, region);
}

static gboolean
find_memory(VmmStrangerMemory *memory, GError **error)
{
    memory->slots = vmm_slots_read(memory->kernel, memory->kvm, error);
    for (guint i = 0; memory->slots != NULL && i < memory->slots->len; i++) {
        const VmmSlot *slot = &g_array_index(memory->slots, VmmSlot, i);

        if ((slot->flags & KVM_MEM_GUEST_MEMFD) != 0) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                                "the guest has memory that its host cannot see (a confidential machine)");
            return FALSE;
        }
        if ((slot->flags & KVM_MEM_READONLY) == 0)
            add_region(memory, slot);
    }
    if (memory->slots != NULL && (memory->regions->len == 0 || memory->regions->len > VMM_KVM_MAX_REGIONS))
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the machine has %u pieces of memory",
                    memory->regions->len);
    return memory->slots != NULL && memory->regions->len > 0 && memory->regions->len <= VMM_KVM_MAX_REGIONS;
}

VmmStrangerMemory *
vmm_stranger_memory_new(pid_t pid, VmmHostKernel *kernel, guint64 kvm, GError **error)
{
    VmmStrangerMemory *memory = g_new0(VmmStrangerMemory, 1);

    *memory = (VmmStrangerMemory) {
        .pid = pid, .kernel = kernel, .kvm = kvm, .regions = g_array_new(FALSE, FALSE, sizeof(VmmKvmRegion)),
    };
    if (find_memory(memory, error))
        return memory;
    vmm_stranger_memory_free(memory);
    return NULL;
}

void
vmm_stranger_memory_free(VmmStrangerMemory *memory)
{
    if (memory == NULL)
        return;
    g_clear_pointer(&memory->slots, g_array_unref);
    g_array_unref(memory->regions);
    g_free(memory);
}

const GArray *
vmm_stranger_memory_regions(const VmmStrangerMemory *memory)
{
    return memory->regions;
}

gboolean
vmm_stranger_memory_check(VmmStrangerMemory *memory, GError **error)
{
    g_autoptr(GArray) slots = vmm_slots_read(memory->kernel, memory->kvm, error);
    gboolean same;

    if (slots == NULL)
        return FALSE;
    same = slots->len == memory->slots->len;
    for (guint i = 0; same && i < slots->len; i++) {
        VmmSlot *now = &g_array_index(slots, VmmSlot, i);
        const VmmSlot *before = &g_array_index(memory->slots, VmmSlot, i);

        same = now->region.range.start.value == before->region.range.start.value
               && now->region.range.length == before->region.range.length && now->region.hva == before->region.hva
               && ((now->flags ^ before->flags) & ~KVM_MEM_LOG_DIRTY_PAGES) == 0;
    }
    if (!same) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "the machine's memory map has changed; try again");
        return FALSE;
    }
    g_array_unref(memory->slots);
    memory->slots = g_steal_pointer(&slots);
    return TRUE;
}

static guint64
find_hva(const VmmStrangerMemory *memory, guint64 pa)
{
    for (guint i = 0; i < memory->regions->len; i++) {
        const VmmKvmRegion *region = &g_array_index(memory->regions, VmmKvmRegion, i);

        if (pa >= region->pa && pa - region->pa < region->length)
            return region->offset + (pa - region->pa);
    }
    return 0;
}

static gboolean
set_memory_error(const VmmStrangerMemory *memory, gboolean is_short, GError **error)
{
    if (!is_short && errno == ESRCH)
        g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the machine's process %d has ended", (int)memory->pid);
    else
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot reach the memory of process %d: %s",
                    (int)memory->pid, is_short ? "a part of it is not there" : g_strerror(errno));
    return FALSE;
}

gboolean
vmm_stranger_memory_read(const VmmStrangerMemory *memory, guint64 pa, void *buffer, gsize length, GError **error)
{
    struct iovec local = { buffer, length }, remote = { GSIZE_TO_POINTER(find_hva(memory, pa)), length };
    ssize_t n = process_vm_readv(memory->pid, &local, 1, &remote, 1, 0);

    return n == (ssize_t)length || set_memory_error(memory, n >= 0, error);
}

/* Whoever logs what the guest writes, for a migration, would not see what we do. */
static gboolean
check_not_logged(const VmmStrangerMemory *memory, guint64 pa, gsize length, GError **error)
{
    for (guint i = 0; i < memory->slots->len; i++) {
        const VmmSlot *slot = &g_array_index(memory->slots, VmmSlot, i);
        guint64 start = slot->region.range.start.value;

        if ((slot->flags & KVM_MEM_LOG_DIRTY_PAGES) == 0 || pa >= start + slot->region.range.length
            || pa + length <= start)
            continue;
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY,
                            "the guest is being migrated or saved (its writes are logged); try again afterwards");
        return FALSE;
    }
    return TRUE;
}

gboolean
vmm_stranger_memory_write(const VmmStrangerMemory *memory, guint64 pa, const void *data, gsize length, GError **error)
{
    struct iovec local = { (void *)data, length }, remote = { GSIZE_TO_POINTER(find_hva(memory, pa)), length };
    ssize_t n;

    if (!check_not_logged(memory, pa, length, error))
        return FALSE;
    n = process_vm_writev(memory->pid, &local, 1, &remote, 1, 0);
    return n == (ssize_t)length || set_memory_error(memory, n >= 0, error);
}
