/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/known.h"

#include <string.h>

#include "introspect/window.h"
#include "patcher/error.h"
#include "patcher/rbtree-edit.h"
#include "patcher/runner-end.h"

#define MAX_MODULES 4096

/* What may hold on to a struct module, or to one of its tables, without a lock that could be seen: all of it runs with
 * preemption off, and none of it sleeps. The compiler's variants (.part, .isra) are meant too. */
static const char *const lookers[] = {
    "__is_module_percpu_address", "__module_address", "__module_text_address", "bpf_get_ksym", "cmp_ex_search",
    "ex_get_fixup_type", "find_kallsyms_symbol", "find_kallsyms_symbol_value", "find_module", "find_module_all",
    "find_symbol", "fixup_bug", "fixup_exception", "is_bpf_text_address", "is_exported", "is_module_address",
    "is_module_percpu_address", "is_module_text_address", "kallsyms_lookup_buildid", "lookup_module_symbol_attrs",
    "lookup_module_symbol_name", "mod_find", "module_address_lookup", "module_get_kallsym",
    "module_kallsyms_lookup_name", "__module_kallsyms_lookup_name", "module_kallsyms_on_each_symbol", "orc_find",
    "__orc_find", "orc_module_find", "print_modules", "search_exception_tables", "search_extable",
    "search_module_extables", "try_module_get", "unwind_next_frame",
};

gboolean
patch_known_read(const IntroKernel *kernel, PatchKnown *known, GError **error)
{
    gsize unwind_bytes = 0;

    if (!intro_module_table_read(kernel, &known->table, error))
        return FALSE;
    if (!intro_btf_size(intro_kernel_btf(kernel), "orc_entry", &unwind_bytes, NULL) || unwind_bytes > sizeof(guint64))
        unwind_bytes = 0;
    known->unwind_bytes = unwind_bytes;
    return TRUE;
}

gboolean
patch_known_place(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, guint64 length, GuestVa *code_va,
                  GError **error)
{
    IntroWindow window;

    if (!intro_window_find(kernel, patch_arena_holes(arena), va, &window, error))
        return FALSE;
    if (length > INTRO_WINDOW_BYTES - (va - window.image_va)) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                            "the new code is too long for the addresses behind the guest's fixmap");
        return FALSE;
    }
    *code_va = window.va + (va - window.image_va);
    return TRUE;
}

/* ---- The list and the tree ---- */

typedef struct {
    const IntroKernel *kernel;
    const PatchPlan *plan;      /* NULL: nothing is planned */
} Memory;

/* What will be there when all that is planned so far has been written. */
static gboolean
read_word(gpointer data, GuestVa va, guint64 *word, GError **error)
{
    const Memory *memory = data;

    for (guint i = memory->plan ? memory->plan->writes->len : 0; i > 0; i--) {
        const PatchWrite *write = memory->plan->writes->pdata[i - 1];
        gsize length;
        const guint8 *bytes = g_bytes_get_data(write->after, &length);

        if (va >= write->va && length >= sizeof *word && va - write->va <= length - sizeof *word) {
            memcpy(word, bytes + (va - write->va), sizeof *word);
            *word = GUINT64_FROM_LE(*word);
            return TRUE;
        }
    }
    return intro_space_read_u64(intro_kernel_space(memory->kernel), va, word, error);
}

static PatchRbTree
tree_of(const IntroModuleTable *table, guint index)
{
    return (PatchRbTree) { table->roots[index], (gint64) table->text_base - (gint64) table->nodes[index] };
}

static gboolean
is_listed(PatchEdits *edits, const IntroModuleTable *table, GuestVa link)
{
    GuestVa at = patch_edits_get(edits, table->list);

    for (guint i = 0; at != link && at != table->list && !patch_edits_failed(edits); i++) {
        if (i == MAX_MODULES)
            patch_edits_fail(edits, "the guest's list of modules does not end");
        at = patch_edits_get(edits, at);
    }
    return at == link && !patch_edits_failed(edits);
}

/* A list_head: next, previous. */
static void
link_into_list(PatchEdits *edits, const IntroModuleTable *table, GuestVa link)
{
    GuestVa first = patch_edits_get(edits, table->list);

    patch_edits_set(edits, link, first);
    patch_edits_set(edits, link + 8, table->list);
    patch_edits_set(edits, first + 8, link);
    patch_edits_set(edits, table->list, link);
}

/* An interrupted apply or undo may have left it in the one and not in the other. */
static void
link_in(PatchEdits *edits, const IntroModuleTable *table, GuestVa module, GuestVa base)
{
    if (!is_listed(edits, table, module + table->link))
        link_into_list(edits, table, module + table->link);
    for (guint i = 0; table->has_tree && i < 2; i++) {
        PatchRbTree tree = tree_of(table, i);
        GuestVa node = module + table->nodes[i];

        if (!patch_rbtree_has(edits, &tree, node, base))
            patch_rbtree_insert(edits, &tree, node, base);
    }
}

/* The same. */
static void
take_out(PatchEdits *edits, const IntroModuleTable *table, GuestVa module, GuestVa base)
{
    GuestVa link = module + table->link;

    if (is_listed(edits, table, link)) {
        GuestVa next = patch_edits_get(edits, link), previous = patch_edits_get(edits, link + 8);

        patch_edits_set(edits, previous, next);
        patch_edits_set(edits, next + 8, previous);
    }
    for (guint i = 0; table->has_tree && i < 2; i++) {
        PatchRbTree tree = tree_of(table, i);
        GuestVa node = module + table->nodes[i];

        if (patch_rbtree_has(edits, &tree, node, base))
            patch_rbtree_erase(edits, &tree, node);
    }
}

/* As if only the modules that are there had ever been. */
static void
set_bounds(PatchEdits *edits, const IntroModuleTable *table)
{
    PatchRbTree tree = tree_of(table, 0);
    GuestVa lowest = patch_rbtree_end(edits, &tree, FALSE), highest = patch_rbtree_end(edits, &tree, TRUE);

    patch_edits_set(edits, table->lowest, lowest ? patch_edits_get(edits, lowest + tree.key) : G_MAXUINT64);
    patch_edits_set(edits, table->highest, highest ? patch_edits_get(edits, highest + tree.key) +
                    (guint32) patch_edits_get(edits, highest + tree.key + table->size_behind_base) : 0);
}

/* Whoever is looking through a tree at this moment sees that it has changed, and begins again. */
static void
count_up(PatchEdits *edits, const IntroModuleTable *table)
{
    guint64 word = patch_edits_get(edits, table->sequence);

    patch_edits_set(edits, table->sequence, (word & ~(guint64) G_MAXUINT32) | (guint32) (word + 2));
}

/* The last write of the word at VA that is planned so far, which is in the way of asking what was there before; or NULL. */
static const PatchWrite *
planned_write(const PatchPlan *plan, GuestVa va)
{
    for (guint i = plan->writes->len; i > 0; i--) {
        const PatchWrite *write = plan->writes->pdata[i - 1];

        if (va < write->va + g_bytes_get_size(write->after) && write->va < va + 8)
            return write;
    }
    return NULL;
}

/* A word of what is prepared is prepared too: the guest does not know of it yet. */
static gboolean
plan_edit(PatchPlan *plan, const IntroKernel *kernel, const PatchEdit *edit, GError **error)
{
    const PatchWrite *planned = planned_write(plan, edit->va);
    guint64 words[2] = { GUINT64_TO_LE(edit->before), GUINT64_TO_LE(edit->after) };
    g_autoptr(GBytes) before = g_bytes_new(&words[0], sizeof words[0]);
    g_autoptr(GBytes) after = g_bytes_new(&words[1], sizeof words[1]);
    PatchStep step = plan->step;
    gboolean done;

    if (planned && planned->step == PATCH_STEP_PREPARE)
        plan->step = PATCH_STEP_PREPARE;
    done = planned && planned->stays ? patch_plan_write_region(plan, kernel, edit->va, after, error)
                                     : patch_plan_write(plan, kernel, edit->va, planned ? NULL : before, after, error);
    plan->step = step;
    return done;
}

static gboolean
plan_edits(PatchPlan *plan, const IntroKernel *kernel, const PatchEdits *edits, GError **error)
{
    g_autoptr(GArray) list = patch_edits_list(edits, error);

    for (guint i = 0; list && i < list->len; i++)
        if (!plan_edit(plan, kernel, &g_array_index(list, PatchEdit, i), error))
            return FALSE;
    return list != NULL;
}

/* ---- The page table ---- */

static gboolean
needs_window(const PatchRecord *record, const IntroWindow *window)
{
    return record->known_va != 0 && record->block.va >= window->image_va &&
           record->block.va - window->image_va < INTRO_WINDOW_BYTES;
}

static gboolean
is_among(const GPtrArray *records, const PatchRecord *record)
{
    for (guint i = 0; i < records->len; i++)
        if (((const PatchRecord *) records->pdata[i])->block.va == record->block.va)
            return TRUE;
    return FALSE;
}

/* Whether any of RECORDS, but those of EXCEPT, is executed through WINDOW. */
static gboolean
is_needed(const IntroWindow *window, const GPtrArray *records, const GPtrArray *except)
{
    for (guint i = 0; i < records->len; i++)
        if (needs_window(records->pdata[i], window) && !is_among(except, records->pdata[i]))
            return TRUE;
    return FALSE;
}

static gboolean
plan_window(PatchPlan *plan, const IntroKernel *kernel, const IntroWindow *window, gboolean open, GError **error)
{
    guint64 entry = GUINT64_TO_LE(window->entry);
    g_autoptr(GBytes) opened = g_bytes_new(&entry, sizeof entry);
    g_autoptr(GBytes) closed = patch_plan_filler(0, sizeof entry);

    return window->is_open == open ||
           patch_plan_write(plan, kernel, window->entry_va, open ? closed : opened, open ? opened : closed, error);
}

/* The windows of RECORDS, each once: opens them, or closes them where neither what stays installed nor ADDED needs them. */
static gboolean
plan_windows(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *records, gboolean open,
             const GPtrArray *added, GError **error)
{
    g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];
        IntroWindow window;

        if (record->known_va == 0 || record->region_bytes > 0)
            continue;
        if (!intro_window_find(kernel, patch_arena_holes(arena), record->block.va, &window, error))
            return FALSE;
        if (!g_hash_table_add(done, GSIZE_TO_POINTER(window.va)))
            continue;
        if (!open && (is_needed(&window, patch_arena_records(arena), records) || is_needed(&window, added, records)))
            continue;
        if (!plan_window(plan, kernel, &window, open, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- What has to hold ---- */

static void
require_lock(PatchPlan *plan, const PatchKnown *known)
{
    g_autoptr(GBytes) free = patch_plan_filler(0, 8);

    patch_plan_require(plan, known->table.lock, free, PATCH_ERROR_PASSING,
                       g_strdup("a module is being loaded, unloaded or listed in the guest at this moment"));
}

static void
forbid_lookers(PatchPlan *plan, const IntroKernel *kernel)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    gsize n_symbols;
    const IntroSymbol *symbols = intro_symbols_all(intro_kernel_symbols(kernel), &n_symbols);

    for (gsize i = 0; i < G_N_ELEMENTS(lookers); i++)
        g_hash_table_add(names, (gpointer) lookers[i]);
    for (gsize i = 0; i < n_symbols; i++) {
        const IntroSymbol *symbol = &symbols[i];
        g_autofree char *name = g_strndup(symbol->name, strcspn(symbol->name, "."));

        if (symbol->module == NULL && symbol->size > 0 && g_hash_table_contains(names, name))
            patch_plan_forbid(plan, symbol->name, symbol->va, symbol->size, symbol->va);
    }
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

static gboolean
require_unused(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind == PATCH_PIECE_TEXT && !require_unaltered(plan, kernel, placed, error))
            return FALSE;
    }
    return require_unreferenced(plan, kernel, record, error);
}

/* ---- */

static gboolean
any_known(const GPtrArray *records)
{
    for (guint i = 0; i < records->len; i++)
        if (((const PatchRecord *) records->pdata[i])->known_va != 0)
            return TRUE;
    return FALSE;
}

static gboolean
plan_tables(PatchPlan *plan, const PatchKnown *known, const IntroKernel *kernel, const GPtrArray *records,
            void (*edit)(PatchEdits *, const IntroModuleTable *, GuestVa, GuestVa), GError **error)
{
    Memory memory = { kernel, plan };
    g_autoptr(PatchEdits) edits = patch_edits_new(read_word, &memory);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (record->known_va != 0)
            edit(edits, &known->table, record->known_va, record->code_va);
    }
    if (known->table.has_tree) {
        set_bounds(edits, &known->table);
        count_up(edits, &known->table);
    }
    return plan_edits(plan, kernel, edits, error);
}

gboolean
patch_known_plan_added(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *added,
                       GError **error)
{
    PatchKnown known;

    if (!any_known(added))
        return TRUE;
    if (!patch_known_read(kernel, &known, error))
        return FALSE;
    require_lock(plan, &known);
    return plan_windows(plan, kernel, arena, added, TRUE, added, error) &&
           plan_tables(plan, &known, kernel, added, link_in, error);
}

/* What an interrupted application has taken out, or was about to. */
static gboolean
plan_back(PatchPlan *plan, const PatchKnown *known, const IntroKernel *kernel, const PatchArena *arena,
          const GPtrArray *removed, GError **error)
{
    for (guint i = 0; i < removed->len; i++) {
        const PatchRecord *record = removed->pdata[i];
        g_autoptr(GPtrArray) back = patch_arena_replaced_by(arena, record);

        if (record->state == PATCH_STATE_PREPARING && back->len > 0 &&
            !(plan_windows(plan, kernel, arena, back, TRUE, back, error) &&
              plan_tables(plan, known, kernel, back, link_in, error)))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_known_plan_removed(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *removed,
                         const GPtrArray *added, GError **error)
{
    PatchKnown known;

    if (!any_known(removed))
        return TRUE;
    if (!patch_known_read(kernel, &known, error))
        return FALSE;
    require_lock(plan, &known);
    forbid_lookers(plan, kernel);
    for (guint i = 0; i < removed->len; i++) {
        const PatchRecord *record = removed->pdata[i];

        if (record->known_va != 0 && record->state == PATCH_STATE_INSTALLED &&
            !require_unused(plan, kernel, record, error))
            return FALSE;
    }
    return plan_tables(plan, &known, kernel, removed, take_out, error) &&
           plan_windows(plan, kernel, arena, removed, FALSE, added, error) &&
           plan_back(plan, &known, kernel, arena, removed, error);
}

gboolean
patch_known_verify(const IntroKernel *kernel, const PatchRecord *record)
{
    Memory memory = { kernel, NULL };
    g_autoptr(PatchEdits) edits = patch_edits_new(read_word, &memory);
    gboolean good;
    PatchKnown known;

    if (record->known_va == 0)
        return TRUE;
    if (!patch_known_read(kernel, &known, NULL))
        return FALSE;
    good = is_listed(edits, &known.table, record->known_va + known.table.link);
    for (guint i = 0; known.table.has_tree && i < 2; i++) {
        PatchRbTree tree = tree_of(&known.table, i);

        good = good && patch_rbtree_has(edits, &tree, record->known_va + known.table.nodes[i], record->code_va);
    }
    return good;
}
