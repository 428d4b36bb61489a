/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/known.h"

#include <string.h>

#include "introspect/window.h"
#include "patcher/error.h"
#include "patcher/known-checks.h"
#include "patcher/rbtree-edit.h"

#define MAX_MODULES 4096

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

/* It may be in the one and not in the other, likewise. */
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
plan_edit(PatchPlan *plan, const IntroKernel *kernel, const PatchWordEdit *edit, GError **error)
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
        if (!plan_edit(plan, kernel, &g_array_index(list, PatchWordEdit, i), error))
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

/* ---- Both, in a plan ---- */

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
    patch_known_require_lock(plan, &known.table);
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
    patch_known_require_lock(plan, &known.table);
    patch_known_forbid_lookers(plan, kernel);
    for (guint i = 0; i < removed->len; i++) {
        const PatchRecord *record = removed->pdata[i];

        if (record->known_va != 0 && record->state == PATCH_STATE_INSTALLED &&
            !patch_known_require_unused(plan, kernel, record, error))
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
