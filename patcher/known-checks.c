/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/known-checks.h"

#include "patcher/error.h"
#include "patcher/known.h"
#include "patcher/runner-end.h"

/* What may hold on to a struct module, or to one of its tables, without a lock that could be seen: all of it runs with
 * preemption off, and none of it sleeps. */
static const char *const lookers[] = {
    "__is_module_percpu_address", "__module_address", "__module_text_address", "bpf_get_ksym", "cmp_ex_search",
    "ex_get_fixup_type", "find_kallsyms_symbol", "find_kallsyms_symbol_value", "find_module", "find_module_all",
    "find_symbol", "fixup_bug", "fixup_exception", "is_bpf_text_address", "is_exported", "is_module_address",
    "is_module_percpu_address", "is_module_text_address", "kallsyms_lookup_buildid", "lookup_module_symbol_attrs",
    "lookup_module_symbol_name", "mod_find", "module_address_lookup", "module_get_kallsym",
    "module_kallsyms_lookup_name", "__module_kallsyms_lookup_name", "module_kallsyms_on_each_symbol", "orc_find",
    "__orc_find", "orc_module_find", "print_modules", "search_exception_tables", "search_extable",
    "search_module_extables", "try_module_get", "unwind_next_frame", NULL,
};

void
patch_known_require_lock(PatchPlan *plan, const IntroModuleTable *table)
{
    g_autoptr(GBytes) free = patch_plan_filler(0, 8);

    patch_plan_require(plan, table->lock, free, PATCH_ERROR_PASSING,
                       g_strdup("a module is being loaded, unloaded or listed in the guest at this moment"));
}

void
patch_known_forbid_lookers(PatchPlan *plan, const IntroKernel *kernel)
{
    patch_plan_forbid_named(plan, kernel, lookers);
}

static gboolean
require_unreferenced(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    gsize offset;
    guint32 expected = GUINT32_TO_LE(PATCH_KNOWN_REFERENCES);
    g_autoptr(GBytes) references = g_bytes_new(&expected, sizeof expected);

    if (!intro_btf_has_member(intro_kernel_btf(kernel), "module", "refcnt"))
        return TRUE;
    if (!intro_btf_offset(intro_kernel_btf(kernel), "module", "refcnt", &offset, error))
        return FALSE;
    patch_plan_require(plan, record->known_va + offset, references, PATCH_ERROR_NOT_NOW,
                       g_strdup_printf("something in the guest holds on to the new code of update %s", record->id));
    return TRUE;
}

/* A static call's trampoline is changed by the kernel, with a trap in its place meanwhile; a hook by whoever ends it. */
static gboolean
is_as_placed(const PatchPlaced *placed, const guint8 *now, const char *digest)
{
    if (!*placed->sha256)
        return digest && now[0] != PATCH_EMPTY_TEXT;
    return g_strcmp0(digest, placed->sha256) == 0 || (digest && patch_runner_end_is(now, placed->size));
}

/* A probe in the new code would be left without a place. */
static gboolean
require_unaltered(PatchPlan *plan, const IntroKernel *kernel, const PatchPlaced *placed, GError **error)
{
    g_autofree guint8 *now = g_try_malloc(placed->size);
    g_autofree char *digest = NULL;
    g_autoptr(GBytes) bytes = NULL;

    if (now && intro_space_read(intro_kernel_space(kernel), placed->va, now, placed->size, NULL))
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, now, placed->size);
    if (!is_as_placed(placed, now, digest)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the new code of %s was changed: a probe may have been set in it, in the guest, and has to be removed "
                    "first", placed->name);
        return FALSE;
    }
    bytes = g_bytes_new_take(g_steal_pointer(&now), placed->size);
    patch_plan_require(plan, placed->va, bytes, PATCH_ERROR_NOT_NOW,
                       g_strdup_printf("the new code of %s was changed in this moment", placed->name));
    return TRUE;
}

gboolean
patch_known_require_unused(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind == PATCH_PIECE_TEXT && !require_unaltered(plan, kernel, placed, error))
            return FALSE;
    }
    return require_unreferenced(plan, kernel, record, error);
}
