/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/locate.h"

/* Where the kernel's image is mapped, with or without KASLR; modules follow. */
#define IMAGE_AREA_START 0xffffffff80000000ULL
#define IMAGE_AREA_END   0xffffffffc0000000ULL

/* Within the image pages are given back and unmapped; what lies farther away than this does not belong to it. */
#define MAX_GAP_BYTES (64ULL << 20)
#define MIN_IMAGE_BYTES (2ULL << 20)
#define MAX_RUNS 4096

/* A process may end, and its page tables with it, between the look at a vCPU and the look at memory. */
#define LOOKS 3

/* While a vCPU executes a guest of the guest's, its registers are that one's, and the kernel is seen only when its turn comes:
 * for each of its timer's interrupts, if nothing else. All vCPUs' together; one over QMP takes about a millisecond. */
#define MAX_PEEKS 2000

#define CR3_ADDRESS 0x000ffffffffff000ULL
/* With page-table isolation the user half's top table lies behind the kernel half's. */
#define CR3_USER_HALF (1ULL << 12)

/* Memory encryption marks addresses with a bit above all memory. */
#define MIN_ENCRYPTION_BIT 40

/* What a vCPU was seen to be at, by how near it is to a running kernel. */
typedef enum {
    SEEN_UNPAGED,
    SEEN_32_BIT,
    SEEN_NO_KERNEL,
    SEEN_GUEST,             /* of the guest's own */
    SEEN_ENCRYPTED,
} Seen;

void
intro_image_free(IntroImage *image)
{
    if (image == NULL)
        return;
    g_array_unref(image->runs);
    g_free(image);
}

/* Mapped runs from the first one on, as far as they can be one image. */
static gboolean
collect_runs(const IntroSpace *space, GArray *runs, GError **error)
{
    GuestVa va = IMAGE_AREA_START, end = IMAGE_AREA_END;
    GError *local_error = NULL;
    IntroMapping run;

    while (runs->len < MAX_RUNS && intro_space_next_mapping(space, &va, end, &run, &local_error)) {
        g_array_append_val(runs, run);
        end = MIN(run.va + run.length + MAX_GAP_BYTES, IMAGE_AREA_END);
    }
    if (local_error == NULL)
        return TRUE;
    g_propagate_error(error, local_error);
    return FALSE;
}

/* The user half of isolated page tables maps the kernel's entry code too, but none of its data. */
static gboolean
is_whole_image(const GArray *runs)
{
    gboolean has_text = FALSE, has_data = FALSE;
    guint64 bytes = 0;

    for (guint i = 0; i < runs->len; i++) {
        const IntroMapping *run = &g_array_index(runs, IntroMapping, i);

        has_text |= run->executable;
        has_data |= run->writable;
        bytes += run->length;
    }
    return has_text && has_data && bytes >= MIN_IMAGE_BYTES;
}

/* The entry that all of the image's area is found through. */
static gboolean
read_last_entry(const VmmReader *reader, GuestPa root, guint64 *entry)
{
    return vmm_read(reader, guest_pa_add(root, 511 * sizeof *entry), entry, sizeof *entry, NULL);
}

/* NULL without an error if there is no kernel to be seen from ROOT. The tables below the top one are the kernel's own
 * and stay; that one may go away with its process meanwhile, and what was seen is then not all there is. */
static IntroImage *
look_from_root(const VmmReader *reader, GuestPa root, gboolean five_levels, GError **error)
{
    g_autoptr(IntroSpace) space = intro_space_new(reader, root, five_levels);
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(IntroMapping));
    g_autoptr(GError) local_error = NULL;
    guint64 before = 0, after = 0;
    IntroImage *image;

    if (!read_last_entry(reader, root, &before))
        return NULL;
    if (!collect_runs(space, runs, &local_error)) {
        /* Whatever is wrong with these page tables, others may do. */
        if (local_error->domain != INTRO_ERROR)
            g_propagate_error(error, g_steal_pointer(&local_error));
        return NULL;
    }
    if (!read_last_entry(reader, root, &after) || before != after || !is_whole_image(runs))
        return NULL;
    image = g_new0(IntroImage, 1);
    image->start = g_array_index(runs, IntroMapping, 0).va;
    image->five_levels = five_levels;
    image->runs = g_steal_pointer(&runs);
    return image;
}

static gboolean
is_memory(const VmmReader *reader, guint64 address)
{
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);

    for (guint i = 0; i < n_ranges; i++)
        if (address >= ranges[i].start.value && address - ranges[i].start.value < ranges[i].length)
            return TRUE;
    return FALSE;
}

/* TRUE if ADDRESS is one of memory but for a bit far above all memory. */
static gboolean
is_marked_encrypted(const VmmReader *reader, guint64 address)
{
    if (is_memory(reader, address))
        return FALSE;
    for (guint bit = MIN_ENCRYPTION_BIT; bit < 52; bit++)
        if ((address & (1ULL << bit)) != 0 && is_memory(reader, address & ~(1ULL << bit)))
            return TRUE;
    return FALSE;
}

static gboolean
is_encrypted(const VmmReader *reader, GuestPa root)
{
    guint64 last_entry;

    if (!is_memory(reader, root.value))
        return is_marked_encrypted(reader, root.value);
    return read_last_entry(reader, root, &last_entry)
           && (last_entry & 1) != 0 && is_marked_encrypted(reader, GUINT64_FROM_LE(last_entry) & CR3_ADDRESS);
}

/* Whoever executes guests has switched that on, and it stays on in them. */
static gboolean
can_have_guests(const VmmVcpu *vcpu)
{
    return (vcpu->efer & VMM_EFER_SVME) != 0 || (vcpu->cr4 & VMM_CR4_VMXE) != 0;
}

static IntroImage *
look_through_vcpu(const VmmReader *reader, const VmmVcpu *vcpu, Seen *seen, GError **error)
{
    GuestPa root = guest_pa(vcpu->cr3 & CR3_ADDRESS);
    gboolean five_levels = (vcpu->cr4 & VMM_CR4_LA57) != 0;
    GError *local_error = NULL;
    IntroImage *image;

    if (can_have_guests(vcpu))
        *seen = MAX(*seen, SEEN_GUEST);
    if ((vcpu->cr0 & VMM_CR0_PG) == 0)
        return NULL;
    *seen = MAX(*seen, SEEN_32_BIT);
    if ((vcpu->efer & VMM_EFER_LMA) == 0)
        return NULL;
    *seen = MAX(*seen, SEEN_NO_KERNEL);
    if (is_encrypted(reader, root)) {
        *seen = SEEN_ENCRYPTED;
        return NULL;
    }
    image = look_from_root(reader, root, five_levels, &local_error);
    if (image == NULL && local_error == NULL && (root.value & CR3_USER_HALF) != 0)
        image = look_from_root(reader, guest_pa(root.value & ~CR3_USER_HALF), five_levels, &local_error);
    if (local_error != NULL)
        g_propagate_error(error, local_error);
    return image;
}

static void
set_error_not_seen(Seen seen, GError **error)
{
    switch (seen) {
    case SEEN_UNPAGED:
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_NO_KERNEL,
                            "the guest runs without paging: it is in its firmware or boot loader, or no x86-64 Linux");
        break;
    case SEEN_32_BIT:
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_NO_KERNEL,
                            "the guest runs in 32-bit mode: it is in its boot loader, or no x86-64 Linux");
        break;
    case SEEN_NO_KERNEL:
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_NO_KERNEL,
                            "the guest runs in 64-bit mode, but has no Linux kernel mapped: it is in its firmware or "
                            "boot loader, unpacks its kernel, or is no Linux");
        break;
    case SEEN_GUEST:
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_NO_KERNEL,
                            "no vCPU was seen in a Linux kernel: all are busy with guests of the guest's own, and trying again "
                            "helps; or the guest is no Linux");
        break;
    case SEEN_ENCRYPTED:
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the guest's memory is encrypted (SEV), and cannot be read from its host");
        break;
    }
}

static gboolean
has_same_tables(const VmmVcpu *one, const VmmVcpu *other)
{
    return one->cr3 == other->cr3 && one->cr0 == other->cr0 && one->cr4 == other->cr4 && one->efer == other->efer;
}

/* Looks through each vCPU, but for those that stand as LAST has them if there is nothing new to be expected of that. */
static IntroImage *
look_through_all(const VmmReader *reader, VmmVcpu *last, gboolean only_new, Seen *seen, GError **error)
{
    for (guint i = 0; i < vmm_reader_n_vcpus(reader); i++) {
        GError *local_error = NULL;
        IntroImage *image;
        VmmVcpu vcpu;

        if (!vmm_reader_peek_vcpu(reader, i, &vcpu, error))
            return NULL;
        if (only_new && has_same_tables(&vcpu, &last[i]))
            continue;
        last[i] = vcpu;
        image = look_through_vcpu(reader, &vcpu, seen, &local_error);
        if (image != NULL || local_error != NULL) {
            if (local_error != NULL)
                g_propagate_error(error, local_error);
            return image;
        }
    }
    return NULL;
}

IntroImage *
intro_image_locate(const VmmReader *reader, GError **error)
{
    guint n_vcpus = vmm_reader_n_vcpus(reader), n_rounds = LOOKS;
    g_autofree VmmVcpu *last = g_new0(VmmVcpu, n_vcpus);
    Seen seen = SEEN_UNPAGED;

    for (guint round = 0; round < n_rounds && (round == 0 || seen == SEEN_NO_KERNEL || seen == SEEN_GUEST); round++) {
        GError *local_error = NULL;
        IntroImage *image = look_through_all(reader, last, round >= LOOKS, &seen, &local_error);

        if (image != NULL)
            return image;
        if (local_error != NULL) {
            g_propagate_error(error, local_error);
            return NULL;
        }
        if (seen == SEEN_GUEST)
            n_rounds = MAX(MAX_PEEKS / n_vcpus, LOOKS);
    }
    set_error_not_seen(seen, error);
    return NULL;
}

gboolean
intro_image_translate(const IntroImage *image, GuestVa va, gsize length, GuestPa *pa, GError **error)
{
    for (guint i = 0; i < image->runs->len; i++) {
        const IntroMapping *run = &g_array_index(image->runs, IntroMapping, i);

        if (va >= run->va && va - run->va < run->length && length <= run->length - (va - run->va)) {
            *pa = guest_pa_add(run->pa, va - run->va);
            return TRUE;
        }
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED,
                "0x%" G_GINT64_MODIFIER "x is not a mapped part of the kernel's image", va);
    return FALSE;
}
