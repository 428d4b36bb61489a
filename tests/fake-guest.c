/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake-guest.h"

#include <string.h>

#include "vmm/backend.h"

struct FakeGuest {
    guint8 *memory;
    gsize memory_bytes, allocated;
    guint levels;
    GuestPa root;
    VmmVcpu vcpu;
    VmmMachine *machine;
    guint n_reads_left;             /* until ACT; 0 for never */
    void (*act)(FakeGuest *guest, gpointer data);
    gpointer act_data;
};

static void
fake_close(gpointer self)
{
}

static gboolean
fake_read(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error)
{
    FakeGuest *guest = self;

    if (guest->n_reads_left > 0 && --guest->n_reads_left == 0)
        guest->act(guest, guest->act_data);
    for (gsize i = 0; i < n_extents; i++)
        memcpy(extents[i].buffer, guest->memory + extents[i].pa.value, extents[i].length);
    return TRUE;
}

static gboolean
fake_peek_vcpu(gpointer self, guint index, VmmVcpu *vcpu, GError **error)
{
    *vcpu = ((FakeGuest *) self)->vcpu;
    return TRUE;
}

static const VmmBackend fake_backend = {
    .kind = "fake",
    .close = fake_close,
    .read = fake_read,
    .peek_vcpu = fake_peek_vcpu,
};

FakeGuest *
fake_guest_new(gsize memory_bytes, gboolean five_levels)
{
    FakeGuest *guest = g_new0(FakeGuest, 1);
    VmmRange memory = { guest_pa(0), memory_bytes };
    VmmBackendInstance instance = { .ops = &fake_backend, .self = guest, .n_vcpus = 1 };

    guest->memory = g_malloc0(memory_bytes);
    guest->memory_bytes = memory_bytes;
    guest->allocated = FAKE_PAGE_BYTES;     /* so that no table lies at 0 */
    guest->levels = five_levels ? 5 : 4;
    instance.name = g_strdup("fake");
    instance.ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));
    g_array_append_val(instance.ranges, memory);
    guest->machine = vmm_machine_new(&instance);
    guest->root = fake_guest_alloc(guest, FAKE_PAGE_BYTES, FAKE_PAGE_BYTES);
    guest->vcpu = (VmmVcpu) {
        .cr0 = VMM_CR0_PG, .cr3 = guest->root.value, .cr4 = five_levels ? VMM_CR4_LA57 : 0, .efer = VMM_EFER_LMA,
    };
    return guest;
}

void
fake_guest_act_after(FakeGuest *guest, guint n_reads, void (*act)(FakeGuest *guest, gpointer data), gpointer data)
{
    guest->n_reads_left = n_reads;
    guest->act = act;
    guest->act_data = data;
}

void
fake_guest_free(FakeGuest *guest)
{
    if (guest == NULL)
        return;
    vmm_machine_free(guest->machine);
    g_free(guest->memory);
    g_free(guest);
}

const VmmReader *
fake_guest_reader(FakeGuest *guest)
{
    return vmm_machine_reader(guest->machine);
}

GuestPa
fake_guest_root(const FakeGuest *guest)
{
    return guest->root;
}

VmmVcpu *
fake_guest_vcpu(FakeGuest *guest)
{
    return &guest->vcpu;
}

GuestPa
fake_guest_alloc(FakeGuest *guest, gsize bytes, gsize alignment)
{
    gsize start = (guest->allocated + alignment - 1) & ~(alignment - 1);

    g_assert_cmpuint(start + bytes, <=, guest->memory_bytes);
    guest->allocated = start + bytes;
    return guest_pa(start);
}

guint8 *
fake_guest_bytes(FakeGuest *guest, GuestPa pa)
{
    g_assert_cmpuint(pa.value, <, guest->memory_bytes);
    return guest->memory + pa.value;
}

guint64 *
fake_guest_entry(FakeGuest *guest, GuestVa va, guint level)
{
    GuestPa table = guest->root;

    for (guint at = guest->levels;; at--) {
        guint64 *entry = (guint64 *) (gpointer) fake_guest_bytes(guest, table) + (va >> (12 + 9 * (at - 1))) % 512;

        if (at == level)
            return entry;
        if (*entry == 0)
            *entry = fake_guest_alloc(guest, FAKE_PAGE_BYTES, FAKE_PAGE_BYTES).value
                | FAKE_PRESENT | FAKE_WRITABLE | FAKE_USER;
        table = guest_pa(*entry & 0x000ffffffffff000ULL);
    }
}

void
fake_guest_map(FakeGuest *guest, GuestVa va, GuestPa pa, guint level, guint64 flags)
{
    *fake_guest_entry(guest, va, level) = pa.value | FAKE_PRESENT | (level > 1 ? FAKE_LARGE : 0) | flags;
}

guint8 *
fake_guest_place(FakeGuest *guest, GuestVa va, const void *bytes, gsize length, guint64 flags)
{
    gsize offset = va % FAKE_PAGE_BYTES;
    gsize pages = (offset + length + FAKE_PAGE_BYTES - 1) / FAKE_PAGE_BYTES;
    GuestPa pa = fake_guest_alloc(guest, pages * FAKE_PAGE_BYTES, FAKE_PAGE_BYTES);
    guint8 *placed = fake_guest_bytes(guest, pa) + offset;

    for (gsize i = 0; i < pages; i++)
        fake_guest_map(guest, va - offset + i * FAKE_PAGE_BYTES, guest_pa_add(pa, i * FAKE_PAGE_BYTES), 1, flags);
    memcpy(placed, bytes, length);
    return placed;
}
