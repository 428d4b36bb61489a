/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/plan.h"

#include <string.h>

#include "introspect/mutex.h"
#include "patcher/error.h"
#include "patcher/kept.h"
#include "patcher/loose-ends.h"

static void
write_free(PatchWrite *write)
{
    g_clear_pointer(&write->before, g_bytes_unref);
    g_clear_pointer(&write->after, g_bytes_unref);
    g_clear_pointer(&write->mappings, g_array_unref);
    g_free(write);
}

static void
forbidden_free(PatchForbidden *forbidden)
{
    g_free(forbidden->name);
    g_free(forbidden);
}

static void
condition_free(PatchCondition *condition)
{
    g_bytes_unref(condition->bytes);
    g_free(condition->otherwise);
    g_free(condition);
}

PatchPlan *
patch_plan_new(const char *verb)
{
    PatchPlan *plan = g_new0(PatchPlan, 1);

    plan->writes = g_ptr_array_new_with_free_func((GDestroyNotify) write_free);
    plan->forbidden = g_ptr_array_new_with_free_func((GDestroyNotify) forbidden_free);
    plan->given = g_ptr_array_new_with_free_func((GDestroyNotify) forbidden_free);
    plan->given_data = g_ptr_array_new_with_free_func((GDestroyNotify) forbidden_free);
    plan->conditions = g_ptr_array_new_with_free_func((GDestroyNotify) condition_free);
    plan->records = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_unref);
    plan->replaced = g_ptr_array_new_with_free_func((GDestroyNotify) patch_record_unref);
    plan->notes = g_ptr_array_new_with_free_func(g_free);
    plan->verb = verb;
    return plan;
}

void
patch_plan_free(PatchPlan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->writes);
    g_ptr_array_unref(plan->forbidden);
    g_ptr_array_unref(plan->given);
    g_ptr_array_unref(plan->given_data);
    g_ptr_array_unref(plan->conditions);
    g_ptr_array_unref(plan->records);
    g_ptr_array_unref(plan->replaced);
    g_ptr_array_unref(plan->notes);
    g_free(plan);
}

char *
patch_plan_ids(const GPtrArray *records)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (!g_ptr_array_find_with_equal_func(ids, record->id, g_str_equal, NULL))
            g_ptr_array_add(ids, (gpointer) record->id);
    }
    g_ptr_array_add(ids, NULL);
    return g_strjoinv(", ", (char **) ids->pdata);
}

static PatchForbidden *
forbidden_new(const char *name, GuestVa va, guint64 length, GuestVa open_until)
{
    PatchForbidden *forbidden = g_new0(PatchForbidden, 1);

    *forbidden = (PatchForbidden) { g_strdup(name), va, length, open_until };
    return forbidden;
}

void
patch_plan_forbid(PatchPlan *plan, const char *name, GuestVa va, guint64 length, GuestVa open_until)
{
    g_ptr_array_add(plan->forbidden, forbidden_new(name, va, length, open_until));
}

void
patch_plan_forbid_named(PatchPlan *plan, const IntroKernel *kernel, const char *const *names)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);
    gsize n_symbols;
    const IntroSymbol *symbols = intro_symbols_all(intro_kernel_symbols(kernel), &n_symbols);

    for (; *names; names++)
        g_hash_table_add(wanted, (gpointer) *names);
    for (gsize i = 0; i < n_symbols; i++) {
        const IntroSymbol *symbol = &symbols[i];
        g_autofree char *name = g_strndup(symbol->name, strcspn(symbol->name, "."));

        if (symbol->module == NULL && symbol->size > 0 && g_hash_table_contains(wanted, name))
            patch_plan_forbid(plan, symbol->name, symbol->va, symbol->size, symbol->va);
    }
}

void
patch_plan_add_given(PatchPlan *plan, const char *name, GuestVa va, guint64 length)
{
    g_ptr_array_add(plan->given, forbidden_new(name, va, length, 0));
}

void
patch_plan_add_given_data(PatchPlan *plan, const char *name, GuestVa va, guint64 length)
{
    g_ptr_array_add(plan->given_data, forbidden_new(name, va, length, 0));
}

void
patch_plan_forbid_text(PatchPlan *plan, const PatchRecord *record)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->kind == PATCH_PIECE_TEXT)
            patch_plan_forbid(plan, placed->name, placed->va, placed->size, 0);
    }
}

void
patch_plan_require(PatchPlan *plan, GuestVa va, GBytes *bytes, PatchError error, char *otherwise)
{
    PatchCondition *condition = g_new0(PatchCondition, 1);

    *condition = (PatchCondition) { va, g_bytes_ref(bytes), otherwise, error };
    g_ptr_array_add(plan->conditions, condition);
}

gboolean
patch_plan_require_unlocked(PatchPlan *plan, const IntroKernel *kernel, const char *mutex, GError **error)
{
    g_autoptr(GBytes) nobody = patch_plan_filler(0, sizeof(guint64));
    gsize owner;
    GuestVa va;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), mutex, &va, error) ||
        !intro_mutex_owner(intro_kernel_btf(kernel), &owner, error))
        return FALSE;
    patch_plan_require(plan, va + owner, nobody, PATCH_ERROR_PASSING,
                       g_strdup_printf("the guest's kernel is rewriting its code at the moment (%s)", mutex));
    return TRUE;
}

/* What is at the conditions' places, one behind the other; all in one read, and if that fails, NULL. */
static GByteArray *
read_conditions(const GPtrArray *conditions, const IntroKernel *kernel)
{
    g_autofree IntroExtent *extents = g_new(IntroExtent, conditions->len);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gsize done = 0;

    for (guint i = 0; i < conditions->len; i++)
        done += g_bytes_get_size(((const PatchCondition *) conditions->pdata[i])->bytes);
    g_byte_array_set_size(bytes, done);
    done = 0;
    for (guint i = 0; i < conditions->len; i++) {
        const PatchCondition *condition = conditions->pdata[i];
        gsize length = g_bytes_get_size(condition->bytes);

        extents[i] = (IntroExtent) { condition->va, bytes->data + done, length };
        done += length;
    }
    if (!intro_space_read_extents(intro_kernel_space(kernel), extents, conditions->len, NULL))
        return NULL;
    return g_steal_pointer(&bytes);
}
/* NOW is what is there, or NULL, if it is to be read by itself. */
static gboolean
condition_holds(const PatchCondition *condition, const IntroKernel *kernel, const guint8 *now, GError **error)
{
    gsize length;
    const guint8 *bytes = g_bytes_get_data(condition->bytes, &length);
    g_autofree guint8 *own = now ? NULL : g_malloc(length);

    if ((now || intro_space_read(intro_kernel_space(kernel), condition->va, own, length, NULL)) &&
        memcmp(now ? now : own, bytes, length) == 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, condition->error, "%s. Nothing was written; try again", condition->otherwise);
    return FALSE;
}

static gboolean
conditions_hold(const GPtrArray *conditions, const IntroKernel *kernel, GError **error)
{
    g_autoptr(GByteArray) bytes = read_conditions(conditions, kernel);
    const guint8 *now = bytes ? bytes->data : NULL;

    for (guint i = 0; i < conditions->len; i++) {
        const PatchCondition *condition = conditions->pdata[i];

        if (!condition_holds(condition, kernel, now, error))
            return FALSE;
        now += now ? g_bytes_get_size(condition->bytes) : 0;
    }
    return TRUE;
}

static gboolean
has_not_moved(const PatchWrite *write, const IntroKernel *kernel, GError **error)
{
    for (guint i = 0; i < write->mappings->len; i++) {
        const IntroMapping *then = &g_array_index(write->mappings, IntroMapping, i);
        IntroMapping now;

        if (intro_space_translate(intro_kernel_space(kernel), then->va, &now, NULL) && now.pa.value == then->pa.value)
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "the module at %#" G_GINT64_MODIFIER "x was unloaded in this moment. Nothing was written; try again",
                    write->va);
        return FALSE;
    }
    return TRUE;
}

gboolean
patch_plan_holds(const PatchPlan *plan, const IntroKernel *kernel, GError **error)
{
    if (!conditions_hold(plan->conditions, kernel, error))
        return FALSE;
    for (guint i = 0; i < plan->writes->len; i++) {
        const PatchWrite *write = plan->writes->pdata[i];

        if (write->may_move && !has_not_moved(write, kernel, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_plan_write(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after, GError **error)
{
    PatchWrite *write = g_new0(PatchWrite, 1);
    gsize length = g_bytes_get_size(after), done = 0;

    write->step = plan->step;
    write->va = va;
    write->before = before ? g_bytes_ref(before) : NULL;
    write->after = g_bytes_ref(after);
    write->mappings = g_array_new(FALSE, FALSE, sizeof(IntroMapping));
    g_ptr_array_add(plan->writes, write);
    while (done < length) {
        IntroMapping mapping;

        if (!intro_space_translate(intro_kernel_space(kernel), va + done, &mapping, error))
            return FALSE;
        mapping.length = MIN(mapping.length, length - done);
        g_array_append_val(write->mappings, mapping);
        done += mapping.length;
    }
    return TRUE;
}

gboolean
patch_plan_write_module(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after,
                        GError **error)
{
    if (!patch_plan_write(plan, kernel, va, before, after, error))
        return FALSE;
    ((PatchWrite *) plan->writes->pdata[plan->writes->len - 1])->may_move = TRUE;
    return TRUE;
}

gboolean
patch_plan_write_data(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after,
                      gboolean may_move, GError **error)
{
    PatchWrite *write;

    if (!patch_plan_write(plan, kernel, va, before, after, error))
        return FALSE;
    write = plan->writes->pdata[plan->writes->len - 1];
    write->may_move = may_move;
    write->may_change = TRUE;
    return TRUE;
}

gboolean
patch_plan_write_region(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *after, GError **error)
{
    if (!patch_plan_write(plan, kernel, va, NULL, after, error))
        return FALSE;
    ((PatchWrite *) plan->writes->pdata[plan->writes->len - 1])->stays = TRUE;
    return TRUE;
}

gboolean
patch_plan_write_state(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, PatchState state,
                       GError **error)
{
    guint32 word = GUINT32_TO_LE(state);
    g_autoptr(GBytes) bytes = g_bytes_new(&word, sizeof word);

    return patch_plan_write(plan, kernel, record->block.va + PATCH_BLOCK_STATE_OFFSET, NULL, bytes, error);
}

static gboolean
write_no_data(PatchPlan *plan, const IntroKernel *kernel, PatchArea data, GError **error)
{
    g_autoptr(GBytes) nothing = patch_plan_filler(0, data.length);

    return data.length == 0 || patch_plan_write(plan, kernel, data.va, NULL, nothing, error);
}

/* The header goes last: until then, it says what is to be emptied. */
static gboolean
write_emptiness(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, PatchArea data, GError **error)
{
    const PatchArea *block = &record->block;
    g_autoptr(GBytes) no_body = patch_plan_filler(record->filler, block->length - PATCH_BLOCK_HEADER_BYTES);
    g_autoptr(GBytes) no_header = patch_plan_filler(record->filler, PATCH_BLOCK_HEADER_BYTES);

    return write_no_data(plan, kernel, data, error) &&
           patch_plan_write_state(plan, kernel, record, PATCH_STATE_CLAIMED, error) &&
           patch_plan_write(plan, kernel, block->va + PATCH_BLOCK_HEADER_BYTES, NULL, no_body, error) &&
           patch_plan_write(plan, kernel, block->va, NULL, no_header, error);
}

static void
note_kept(PatchPlan *plan, const PatchRecord *record)
{
    g_autofree char *text = patch_kept_text(record);

    g_ptr_array_add(plan->notes, g_strdup_printf("%s of update %s stay in the guest, as objects there may use them; view lists "
                                                 "them", text, record->id));
}

gboolean
patch_plan_empty(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, gboolean in_force, GError **error)
{
    const PatchStep step = plan->step;
    gboolean stays = in_force && patch_kept_bytes(record) > 0 && (record->region_bytes > 0 || record->kept.length > 0), planned;

    if (stays)
        note_kept(plan, record);
    if (record->region_bytes > 0)
        return patch_plan_write_state(plan, kernel, record, stays ? PATCH_STATE_KEPT : PATCH_STATE_CLAIMED, error);
    if (stays && !patch_loose_ends_plan(plan, kernel, record, error))
        return FALSE;
    plan->step = PATCH_STEP_CLEAN;
    planned = write_emptiness(plan, kernel, record, stays ? patch_kept_rest(record) : record->data, error);
    plan->step = step;
    return planned;
}

GPtrArray *
patch_plan_step(const PatchPlan *plan, PatchStep step)
{
    GPtrArray *writes = g_ptr_array_new();

    for (guint i = 0; i < plan->writes->len; i++)
        if (((const PatchWrite *) plan->writes->pdata[i])->step == step)
            g_ptr_array_add(writes, plan->writes->pdata[i]);
    return writes;
}

GBytes *
patch_plan_filler(guint8 byte, gsize length)
{
    guint8 *bytes = g_malloc(MAX(length, 1));

    memset(bytes, byte, length);
    return g_bytes_new_take(bytes, length);
}
