/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/pending.h"

#include <string.h>

#include "introspect/references.h"

/* Functions of a record, by where they begin. */
typedef struct {
    GHashTable *placed;         /* address of a GuestVa -> const PatchPlaced; borrowed from the record */
    GuestVa first, last;
    GHashTable *given;          /* set of const PatchPlaced */
} Functions;

static void
functions_clear(Functions *functions)
{
    g_hash_table_unref(functions->placed);
    g_hash_table_unref(functions->given);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Functions, functions_clear)

static void
find_functions(Functions *functions, const PatchRecord *record)
{
    *functions = (Functions) { g_hash_table_new(g_int64_hash, g_int64_equal), G_MAXUINT64, 0, g_hash_table_new(NULL, NULL) };
    for (guint i = 0; i < record->placed->len; i++) {
        PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind != PATCH_PIECE_TEXT)
            continue;
        g_hash_table_insert(functions->placed, &placed->va, placed);
        functions->first = MIN(functions->first, placed->va);
        functions->last = MAX(functions->last, placed->va);
    }
}

static void
note(Functions *functions, GuestVa va)
{
    gint64 key = (gint64) va;
    PatchPlaced *placed = NULL;

    if (va >= functions->first && va <= functions->last)
        placed = g_hash_table_lookup(functions->placed, &key);
    if (placed)
        g_hash_table_add(functions->given, placed);
}

/* An instruction has an address in four bytes, sign-extended; or relative to its end, behind a ModRM byte that says so. What
 * follows an opcode is where a call or jump goes. */
static void
scan_text(Functions *functions, GuestVa va, const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i + 4 <= size; i++) {
        gint32 field;

        memcpy(&field, bytes + i, sizeof field);
        field = GINT32_FROM_LE(field);
        note(functions, (GuestVa) (gint64) field);
        if (i > 0 && (bytes[i - 1] & 0xc7) == 0x05)
            note(functions, va + i + 4 + (gint64) field);
    }
}

static void
scan_data(Functions *functions, const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i + 8 <= size; i++) {
        guint64 word;

        memcpy(&word, bytes + i, sizeof word);
        note(functions, GUINT64_FROM_LE(word));
    }
}

/* FALSE if a piece cannot be read. */
static gboolean
scan(Functions *functions, const IntroKernel *kernel, const PatchPlaced *placed)
{
    g_autofree guint8 *bytes = placed->kind == PATCH_PIECE_BSS ? NULL : g_try_malloc(placed->size);

    if (placed->kind == PATCH_PIECE_BSS)
        return TRUE;
    if (!bytes || !intro_space_read(intro_kernel_space(kernel), placed->va, bytes, placed->size, NULL))
        return FALSE;
    if (placed->kind == PATCH_PIECE_TEXT)
        scan_text(functions, placed->va, bytes, placed->size);
    else
        scan_data(functions, bytes, placed->size);
    return TRUE;
}

/* What cannot be looked for, the operator should know of. */
static void
note_unknown(PatchPlan *plan, const IntroKernel *kernel)
{
    g_autoptr(IntroCallbacks) callbacks = intro_callbacks_new(kernel);
    const GPtrArray *unknown = intro_callbacks_unknown(callbacks);

    for (guint i = 0; i < unknown->len; i++)
        g_ptr_array_add(plan->notes, g_strdup_printf("the guest's kernel does not tell where its %s are: whether any of them "
                                                     "was to call the update's code was not looked at",
                                                     (const char *) unknown->pdata[i]));
    if (!intro_references_are_known(kernel, NULL))
        g_ptr_array_add(plan->notes, g_strdup("the guest's kernel does not tell where its variables are: whether any of them leads "
                                              "to the update's code was not looked at"));
}

/* Where one of its functions may be known to the kernel, it is as a rule by an object with the function's address in it. */
static void
add_data(PatchPlan *plan, const PatchRecord *record)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind == PATCH_PIECE_DATA || placed->kind == PATCH_PIECE_BSS)
            patch_plan_add_given_data(plan, placed->name, placed->va, placed->size);
    }
}

void
patch_pending_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record)
{
    g_auto(Functions) functions = { 0 };
    guint n_before = plan->given->len;
    gboolean is_read = TRUE;

    find_functions(&functions, record);
    for (guint i = 0; i < record->placed->len; i++)
        is_read = scan(&functions, kernel, record->placed->pdata[i]) && is_read;
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind != PATCH_PIECE_TEXT || (is_read && !g_hash_table_contains(functions.given, placed)))
            continue;
        if (plan->given->len == 0) {
            /* Between the moment when one is taken off its list and that when its function is called, only the stack tells. */
            patch_plan_forbid_named(plan, kernel, intro_callback_runners);
            note_unknown(plan, kernel);
        }
        patch_plan_add_given(plan, placed->name, placed->va, placed->size);
    }
    if (plan->given->len > n_before)
        add_data(plan, record);
}

static const PatchForbidden *
find_given(const GPtrArray *functions, GuestVa va)
{
    for (guint i = 0; i < functions->len; i++) {
        const PatchForbidden *function = functions->pdata[i];

        if (va >= function->va && va - function->va < function->length)
            return function;
    }
    return NULL;
}

static gboolean
is_given(GuestVa function, gconstpointer data)
{
    return find_given(data, function) != NULL;
}

gboolean
patch_pending_look(const IntroCallbacks *callbacks, const GPtrArray *functions, GPtrArray *blockers, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroCallback));
    gboolean in_motion, is_whole = intro_callbacks_find(callbacks, is_given, functions, found, &in_motion, error);

    for (guint i = 0; i < found->len; i++) {
        const IntroCallback *callback = &g_array_index(found, IntroCallback, i);

        patch_blockers_add_pending(blockers, callback->kind, callback->object,
                                   find_given(functions, callback->function)->name);
    }
    if (!is_whole)
        return FALSE;
    if (in_motion && found->len == 0)
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_PASSING,
                            "the guest's kernel is at changing its lists of timers, work items or the like; try again");
    return !in_motion || found->len > 0;
}

/* ---- What the kernel's variables lead to ---- */

static gboolean
is_meant(GuestVa to, gconstpointer data)
{
    const PatchPlan *plan = data;
    const PatchForbidden *function = find_given(plan->given, to);

    return (function && function->va == to) || find_given(plan->given_data, to);
}

/* What the updates themselves consist of goes, or stands on nothing that goes. */
static gboolean
is_in(const GPtrArray *records, GuestVa at)
{
    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];
        const PatchArea code = { record->code_va, record->block.length };

        if (patch_area_contains(record->block, at) || patch_area_contains(record->data, at) || patch_area_contains(code, at))
            return TRUE;
    }
    return FALSE;
}

/* A table of the kernel's that leads to the update's code because the update says so. */
static gboolean
is_written(const PatchPlan *plan, GuestVa at)
{
    for (guint i = 0; i < plan->writes->len; i++) {
        const PatchWrite *write = plan->writes->pdata[i];

        if (patch_area_contains((PatchArea) { write->va, g_bytes_get_size(write->after) }, at))
            return TRUE;
    }
    return FALSE;
}

gboolean
patch_pending_look_at_variables(const IntroKernel *kernel, const PatchPlan *plan, GPtrArray *blockers, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroReference));

    if (!intro_references_are_known(kernel, NULL))
        return TRUE;
    if (!intro_references_find(kernel, is_meant, plan, found, error))
        return FALSE;
    for (guint i = 0; i < found->len; i++) {
        const IntroReference *reference = &g_array_index(found, IntroReference, i);
        const PatchForbidden *function = find_given(plan->given, reference->to);
        const PatchForbidden *what = function ? function : find_given(plan->given_data, reference->to);
        g_autofree char *variable = intro_kernel_describe(kernel, reference->at, FALSE);

        if (!is_in(plan->records, reference->at) && !is_in(plan->replaced, reference->at) && !is_written(plan, reference->at))
            patch_blockers_add_reference(blockers, variable, reference->at, what->name);
    }
    return TRUE;
}
