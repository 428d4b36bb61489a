/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/datum.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/guestcode.h"
#include "patcher/link.h"
#include "patcher/lookup.h"
#include "patcher/value-text.h"
#include "patcher/values.h"

/* The lowest address of the kernel's half. */
#define KERNEL_HALF G_GUINT64_CONSTANT(0xffff800000000000)

typedef struct {
    const IntroKernel *kernel;
    const PatchArena *arena;
    const PatchResolved *resolved;
    const PatchDatum *datum;
    PatchValue *value;
    guint8 *now, *own;          /* what is there, and that with installed updates taken out */
} Search;

gboolean
patch_datum_changes(const PatchDatum *datum)
{
    return datum->after->bytes->len > 0;
}

static gboolean
follow(const Search *search, guint index, GError **error)
{
    PatchPointer pointer = { .va = search->value->va };

    if (!intro_space_read_u64(intro_kernel_space(search->kernel), pointer.va, &pointer.target, error)) {
        g_prefix_error(error, "%s: ", search->datum->name);
        return FALSE;
    }
    if (pointer.target < KERNEL_HALF) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s cannot be reached in this guest: a pointer on the way there is %#" G_GINT64_MODIFIER "x",
                    search->datum->name, pointer.target);
        return FALSE;
    }
    g_array_append_val(search->value->pointers, pointer);
    search->value->va = pointer.target + g_array_index(search->datum->offsets, guint64, index);
    return TRUE;
}

/* What no running code refers to can still have a name of its own: what it holds will be compared. */
static gboolean
find_symbol(const Search *search, GuestVa *va, GError **error)
{
    const PatchObject *object = patch_resolved_object(search->resolved);
    const PatchSymbol *symbol = object->symbols->pdata[search->datum->symbol];

    return patch_resolved_symbol(search->resolved, search->datum->symbol, va, NULL) ||
           patch_lookup(search->kernel, object, symbol->name, va, error);
}

static gboolean
find(const Search *search, GError **error)
{
    if (!find_symbol(search, &search->value->va, error))
        return FALSE;
    search->value->va += g_array_index(search->datum->offsets, guint64, 0);
    for (guint i = 1; i < search->datum->offsets->len; i++)
        if (!follow(search, i, error))
            return FALSE;
    return TRUE;
}

static GBytes *
full_mask(const PatchDatum *datum)
{
    if (datum->mask->len > 0)
        return g_bytes_new(datum->mask->data, datum->mask->len);
    return patch_plan_filler(0xff, datum->before->bytes->len);
}

/* Whether the field of FIXUP in BYTES refers to what it has to. */
static gboolean
refers(const Search *search, const PatchFixup *fixup, const guint8 *bytes)
{
    const PatchObject *object = patch_resolved_object(search->resolved);
    GuestVa to = patch_fixup_value(fixup, bytes + fixup->offset, search->value->va + fixup->offset), va;

    if (fixup->target == PATCH_TARGET_LITERAL) {
        gsize length;
        const guint8 *literal = g_bytes_get_data(object->literals->pdata[fixup->index], &length);
        g_autofree guint8 *there = g_malloc(length);

        return intro_space_read(intro_kernel_space(search->kernel), to, there, length, NULL) &&
               memcmp(there, literal, length) == 0;
    }
    if (patch_resolved_symbol(search->resolved, fixup->index, &va, NULL))
        return to == va;
    return patch_lookup_agrees(search->kernel, object, ((const PatchSymbol *) object->symbols->pdata[fixup->index])->name,
                               to);
}

static gboolean
holds_before(const Search *search, const guint8 *bytes)
{
    const PatchCode *before = search->datum->before;
    g_autofree guint8 *rest = g_memdup2(g_bytes_get_data(search->value->mask, NULL), before->bytes->len);

    for (guint i = 0; i < before->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(before->fixups, PatchFixup, i);

        if (!refers(search, fixup, bytes))
            return FALSE;
        memset(rest + fixup->offset, 0, patch_fixup_bytes(fixup));
    }
    for (guint i = 0; i < before->bytes->len; i++)
        if ((before->bytes->data[i] ^ bytes[i]) & rest[i])
            return FALSE;
    return TRUE;
}

/* Of a value with references, what is there says little without the addresses that they would have. */
static void
set_mismatch(const Search *search, GError **error)
{
    const PatchDatum *datum = search->datum;
    const guint8 *mask = g_bytes_get_data(search->value->mask, NULL);
    gsize length = datum->before->bytes->len;
    g_autofree char *now = patch_value_text(datum->form, mask, search->now, length);
    g_autofree char *expected = patch_value_text(datum->form, mask, datum->before->bytes->data, length);
    g_autofree char *what = datum->before->fixups->len > 0 ? g_strdup("what it was in the kernel's image")
                                                           : g_strdup(expected);

    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "%s: %s, at %#" G_GINT64_MODIFIER "x, holds %s, and the update expects %s there: the guest has changed it, or "
                "the update was made for another kernel",
                patch_resolved_object(search->resolved)->path, datum->name, search->value->va, now, what);
}

static gboolean
look(Search *search, GError **error)
{
    gsize length = search->datum->before->bytes->len;

    search->now = g_malloc(length);
    if (search->value->va + length < search->value->va ||
        !intro_space_read(intro_kernel_space(search->kernel), search->value->va, search->now, length, error)) {
        if (error && !*error)
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "a pointer on the way leads to the end of memory");
        g_prefix_error(error, "%s: ", search->datum->name);
        return FALSE;
    }
    search->own = g_memdup2(search->now, length);
    patch_values_take_out(search->kernel, search->arena, search->value->va, search->own, length);
    if (holds_before(search, search->own) || holds_before(search, search->now))
        return TRUE;
    set_mismatch(search, error);
    return FALSE;
}

static void
require(PatchPlan *plan, const Search *search)
{
    g_autoptr(GBytes) bytes = g_bytes_new(search->now, search->datum->before->bytes->len);

    patch_plan_require(plan, search->value->va, bytes, PATCH_ERROR_PASSING,
                       g_strdup_printf("%s is being changed by the guest at the moment", search->datum->name));
}

PatchValue *
patch_datum_value(const IntroKernel *kernel, const PatchArena *arena, const PatchResolved *resolved,
                  const PatchDatum *datum, const GuestVa *piece_vas, PatchPlan *plan, GError **error)
{
    PatchValue *value = g_new0(PatchValue, 1);
    Search search = { kernel, arena, resolved, datum, value, NULL, NULL };
    gsize length = datum->before->bytes->len;
    g_autofree guint8 *after = g_malloc0(length);
    gboolean found;

    *value = (PatchValue) {
        .name = g_strdup(datum->name), .form = datum->form, .mask = full_mask(datum),
        .pointers = g_array_new(FALSE, FALSE, sizeof(PatchPointer)),
    };
    found = find(&search, error) && look(&search, error) &&
            patch_link_value(kernel, resolved, datum->after, datum->name, value->va, piece_vas, after, error);
    if (found) {
        value->before = g_bytes_new(search.own, length);
        value->after = g_bytes_new(after, length);
        if (plan && !patch_datum_changes(datum))
            require(plan, &search);
    }
    g_free(search.now);
    g_free(search.own);
    if (!found)
        g_clear_pointer(&value, patch_value_free);
    return value;
}
