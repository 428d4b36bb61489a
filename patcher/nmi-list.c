/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/nmi-list.h"

#include "patcher/error.h"

#define POINTER_BYTES 8
#define MAX_ENTRIES 1024

gboolean
patch_nmi_list_read(const IntroKernel *kernel, PatchNmiList *list, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    const IntroSpace *space = intro_kernel_space(kernel);
    g_autoptr(GError) cause = NULL;
    gsize head, lock, size;
    gint64 local;
    GuestVa va;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "nmi_desc", &va, &cause) ||
        !intro_btf_size(btf, "nmi_desc", &size, &cause) || !intro_btf_offset(btf, "nmi_desc", "head", &head, &cause) ||
        !intro_btf_offset(btf, "nmi_desc", "lock", &lock, &cause) ||
        !intro_btf_enumerator(btf, "NMI_LOCAL", &local, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "nothing can be run in this guest, since its kernel handles NMIs in a way that is not known: %s",
                    cause->message);
        return FALSE;
    }
    va += local * size;
    list->head = va + head;
    list->lock = va + lock;
    return intro_space_read_u64(space, list->head, &list->first, error) &&
           intro_space_read_u64(space, list->head + POINTER_BYTES, &list->last, error);
}

static void
require_unlocked(PatchPlan *plan, const PatchNmiList *list)
{
    g_autoptr(GBytes) nobody = patch_plan_filler(0, sizeof(guint32));

    patch_plan_require(plan, list->lock, nobody, PATCH_ERROR_PASSING,
                       g_strdup("the guest's kernel is changing its NMI handlers at the moment"));
}

/* An entry may belong to a module. */
static gboolean
plan_pointer(PatchPlan *plan, const IntroKernel *kernel, GuestVa at, GuestVa from, GuestVa to, GError **error)
{
    guint64 words[2] = { GUINT64_TO_LE(from), GUINT64_TO_LE(to) };
    g_autoptr(GBytes) before = g_bytes_new(&words[0], sizeof words[0]), after = g_bytes_new(&words[1], sizeof words[1]);

    return patch_plan_write_module(plan, kernel, at, before, after, error);
}

gboolean
patch_nmi_list_plan_link(PatchPlan *plan, const IntroKernel *kernel, const PatchNmiList *list, GuestVa link,
                         GError **error)
{
    require_unlocked(plan, list);
    return plan_pointer(plan, kernel, list->last, list->head, link, error) &&
           plan_pointer(plan, kernel, list->head + POINTER_BYTES, list->last, link, error);
}

static gboolean
plan_unlink(PatchPlan *plan, const IntroKernel *kernel, const PatchNmiList *list, GuestVa link, GError **error)
{
    GuestVa next, previous;

    if (!intro_space_read_u64(intro_kernel_space(kernel), link, &next, error) ||
        !intro_space_read_u64(intro_kernel_space(kernel), link + POINTER_BYTES, &previous, error))
        return FALSE;
    require_unlocked(plan, list);
    return plan_pointer(plan, kernel, previous, link, next, error) &&
           plan_pointer(plan, kernel, next + POINTER_BYTES, link, previous, error);
}

gboolean
patch_nmi_list_plan_unlink(PatchPlan *plan, const IntroKernel *kernel, const PatchArea *area, GError **error)
{
    PatchNmiList list;
    GuestVa link;

    if (!patch_nmi_list_read(kernel, &list, error))
        return FALSE;
    link = list.first;
    for (guint i = 0; link != list.head; i++) {
        if (link >= area->va && link - area->va < area->length)
            return plan_unlink(plan, kernel, &list, link, error);
        if (i == MAX_ENTRIES) {
            g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the guest's list of NMI handlers does not end");
            return FALSE;
        }
        if (!intro_space_read_u64(intro_kernel_space(kernel), link, &link, error))
            return FALSE;
    }
    return TRUE;
}
