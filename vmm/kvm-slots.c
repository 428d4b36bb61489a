/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-slots.h"

#include <linux/kvm.h>
#include <string.h>

#include "vmm/kvm-protocol.h"

#define PAGE_BYTES 4096
#define MAX_HEADS 512
#define MAX_SLOT_BYTES 4096
#define MAX_SLOTS 32768         /* KVM has no more */
#define HASH_NODE_BYTES 16

/* An xarray's pointer to a node is marked; include/linux/xarray.h. */
#define XA_INTERNAL 2

typedef struct {
    VmmHostMember nodes, base_gfn, npages, userspace_addr, flags;
    guint32 bytes;
} SlotLayout;

static gboolean
learn_layout(const VmmHostKernel *kernel, SlotLayout *layout, GError **error)
{
    const struct {
        const char *name;
        VmmHostMember *member;
    } members[] = {
        { "id_node", &layout->nodes }, { "base_gfn", &layout->base_gfn }, { "npages", &layout->npages },
        { "userspace_addr", &layout->userspace_addr }, { "flags", &layout->flags },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
        if (!vmm_host_kernel_member(kernel, "kvm_memory_slot", members[i].name, members[i].member, error))
            return FALSE;
    if (!vmm_host_kernel_size(kernel, "kvm_memory_slot", &layout->bytes, error))
        return FALSE;
    if (layout->bytes <= MAX_SLOT_BYTES)
        return TRUE;
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the host's kernel has memory slots of unknown shape");
    return FALSE;
}

static guint64
number_in(const guint8 *bytes, const VmmHostMember *member)
{
    guint64 value = 0;

    memcpy(&value, bytes + member->offset, MIN(member->bytes, sizeof value));
    return value;
}

/* The slots of one chain; NODE_INDEX says which of a slot's two nodes is this table's. */
static gboolean
read_chain(VmmHostKernel *kernel, const SlotLayout *layout, guint64 node, guint node_index, GArray *slots, GError **error)
{
    guint8 bytes[MAX_SLOT_BYTES];
    guint64 at_node = layout->nodes.offset + node_index * HASH_NODE_BYTES;

    while (node != 0 && slots->len < MAX_SLOTS) {
        VmmSlot slot;

        if (!vmm_host_kernel_read(kernel, node - at_node, bytes, layout->bytes, error))
            return FALSE;
        slot = (VmmSlot) {
            .region = {
                .range = {
                    guest_pa(number_in(bytes, &layout->base_gfn) * PAGE_BYTES),
                    number_in(bytes, &layout->npages) * PAGE_BYTES,
                },
                .hva = number_in(bytes, &layout->userspace_addr),
            },
            .flags = number_in(bytes, &layout->flags),
        };
        g_array_append_val(slots, slot);
        memcpy(&node, bytes + at_node, sizeof node);
    }
    return TRUE;
}

static gint
compare_slots(gconstpointer a, gconstpointer b)
{
    guint64 one = ((const VmmSlot *)a)->region.range.start.value, other = ((const VmmSlot *)b)->region.range.start.value;

    return (one > other) - (one < other);
}

/* Nothing that KVM itself would not have accepted. */
static gboolean
check_slots(const GArray *slots, GError **error)
{
    guint64 end = 0;

    for (guint i = 0; i < slots->len; i++) {
        const VmmHostRegion *region = &g_array_index(slots, VmmSlot, i).region;

        if (region->range.length == 0 || region->range.start.value < end
            || region->range.start.value > G_MAXUINT64 - region->range.length
            || region->hva > G_MAXUINT64 - region->range.length) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL,
                                "the host kernel's table of guest memory makes no sense");
            return FALSE;
        }
        end = region->range.start.value + region->range.length;
    }
    return TRUE;
}

static gboolean
read_table(VmmHostKernel *kernel, guint64 table, const SlotLayout *layout, GArray *slots, GError **error)
{
    guint64 heads[MAX_HEADS], node_index;
    VmmHostMember hash;

    if (!vmm_host_kernel_member(kernel, "kvm_memslots", "id_hash", &hash, error)
        || !vmm_host_kernel_number(kernel, table, "kvm_memslots", "node_idx", &node_index, error))
        return FALSE;
    if (hash.bytes > sizeof heads || node_index > 1) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "the host kernel's table of guest memory is of unknown shape");
        return FALSE;
    }
    if (!vmm_host_kernel_read(kernel, table + hash.offset, heads, hash.bytes, error))
        return FALSE;
    for (gsize i = 0; i < hash.bytes / sizeof heads[0]; i++)
        if (!read_chain(kernel, layout, heads[i], node_index, slots, error))
            return FALSE;
    return TRUE;
}

GArray *
vmm_slots_read(VmmHostKernel *kernel, guint64 kvm, GError **error)
{
    g_autoptr(GArray) slots = g_array_new(FALSE, FALSE, sizeof(VmmSlot));
    guint64 table, table_after, generation, generation_after;
    SlotLayout layout;

    /* The first of the address spaces: the second one is for system management mode. */
    if (!learn_layout(kernel, &layout, error)
        || !vmm_host_kernel_number(kernel, kvm, "kvm", "memslots", &table, error)
        || !vmm_host_kernel_number(kernel, table, "kvm_memslots", "generation", &generation, error)
        || !read_table(kernel, table, &layout, slots, error)
        || !vmm_host_kernel_number(kernel, kvm, "kvm", "memslots", &table_after, error)
        || !vmm_host_kernel_number(kernel, table, "kvm_memslots", "generation", &generation_after, error))
        return NULL;
    if (table != table_after || generation != generation_after) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "the machine's memory is being changed; try again");
        return NULL;
    }
    g_array_sort(slots, compare_slots);
    return check_slots(slots, error) ? g_steal_pointer(&slots) : NULL;
}

/* The xarray's entry INDEX; at most one level of nodes, which is enough for VMM_KVM_MAX_VCPUS. */
static gboolean
read_entry(VmmHostKernel *kernel, guint64 head, guint index, guint64 *entry, GError **error)
{
    VmmHostMember slots;
    guint64 node = head - XA_INTERNAL, shift;

    *entry = head;
    if ((head & 3) != XA_INTERNAL)
        return TRUE;
    if (!vmm_host_kernel_number(kernel, node, "xa_node", "shift", &shift, error)
        || !vmm_host_kernel_member(kernel, "xa_node", "slots", &slots, error))
        return FALSE;
    if (shift != 0 || index >= slots.bytes / sizeof *entry) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the machine has too many vCPUs for this");
        return FALSE;
    }
    return vmm_host_kernel_read(kernel, node + slots.offset + index * sizeof *entry, entry, sizeof *entry, error);
}

static gboolean
read_vcpu(VmmHostKernel *kernel, guint64 address, VmmSlotVcpu *vcpu, GError **error)
{
    VmmHostMember numbers, nr;
    guint64 id, pid;
    gint32 value;

    if (!vmm_host_kernel_number(kernel, address, "kvm_vcpu", "vcpu_id", &id, error)
        || !vmm_host_kernel_number(kernel, address, "kvm_vcpu", "pid", &pid, error))
        return FALSE;
    *vcpu = (VmmSlotVcpu) { .id = id };
    if (pid == 0)
        return TRUE;
    /* The first of the numbers is that in the host's own name space. */
    if (!vmm_host_kernel_member(kernel, "pid", "numbers", &numbers, error)
        || !vmm_host_kernel_member(kernel, "upid", "nr", &nr, error)
        || !vmm_host_kernel_read(kernel, pid + numbers.offset + nr.offset, &value, sizeof value, error))
        return FALSE;
    vcpu->tid = value;
    return TRUE;
}

GArray *
vmm_slots_read_vcpus(VmmHostKernel *kernel, guint64 kvm, GError **error)
{
    g_autoptr(GArray) vcpus = g_array_new(FALSE, FALSE, sizeof(VmmSlotVcpu));
    VmmHostMember array, head_member;
    guint64 head, n_vcpus;

    if (!vmm_host_kernel_number(kernel, kvm, "kvm", "online_vcpus", &n_vcpus, error)
        || !vmm_host_kernel_member(kernel, "kvm", "vcpu_array", &array, error)
        || !vmm_host_kernel_member(kernel, "xarray", "xa_head", &head_member, error)
        || !vmm_host_kernel_read(kernel, kvm + array.offset + head_member.offset, &head, sizeof head, error))
        return NULL;
    for (guint i = 0; i < MIN(n_vcpus, VMM_KVM_MAX_VCPUS); i++) {
        guint64 address;
        VmmSlotVcpu vcpu;

        if (!read_entry(kernel, head, i, &address, error) || !read_vcpu(kernel, address, &vcpu, error))
            return NULL;
        g_array_append_val(vcpus, vcpu);
    }
    return g_steal_pointer(&vcpus);
}
