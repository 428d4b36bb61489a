/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/hooks.h"

#include <errno.h>

#include "patcher/error.h"

static void
result_free(PatchHookResult *result)
{
    g_free(result->name);
    g_free(result->failure);
    g_free(result);
}

GPtrArray *
patch_hook_results_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) result_free);
}

gboolean
patch_hooks_are_in(const GPtrArray *records)
{
    for (guint i = 0; i < records->len; i++)
        if (((const PatchRecord *) records->pdata[i])->hooks->len > 0)
            return TRUE;
    return FALSE;
}

static gboolean
check_result(const PatchHookPlace *hook, gint32 result, GError **error)
{
    gboolean may_pass = result == -EBUSY || result == -EAGAIN;

    if (result == 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, may_pass ? PATCH_ERROR_NOT_NOW : PATCH_ERROR_DOES_NOT_FIT,
                "its %s hook %s returned %d%s%s%s", patch_hook_kind_name(hook->kind), hook->name, result,
                result < 0 ? " (" : "", result < 0 ? g_strerror(-result) : "", result < 0 ? ")" : "");
    return FALSE;
}

/* Nobody else runs a hook. */
static PatchArea
own_code(const PatchRecord *record, const PatchHookPlace *hook)
{
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *placed = record->placed->pdata[i];

        if (placed->va == hook->va)
            return (PatchArea) { placed->va - record->code_va + record->block.va, placed->size };
    }
    return (PatchArea) { 0 };
}

static gboolean
run(const PatchGuest *guest, const PatchRecord *record, const PatchHookPlace *hook, GPtrArray *results,
    PatchPauses *pauses, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s hook %s", patch_hook_kind_name(hook->kind), hook->name);
    PatchCall call = { .name = name, .function = hook->va, .bytes_argument = -1, .limit_s = hook->limit_s,
                       .own = own_code(record, hook) };
    PatchHookResult *result = g_new0(PatchHookResult, 1);
    g_autoptr(GError) failure = NULL;
    guint64 value = 0;

    *result = (PatchHookResult) { .name = g_strdup(hook->name), .kind = hook->kind };
    g_ptr_array_add(results, result);
    if (!patch_runner_call(guest, record->id, &call, pauses, &value, &failure)) {
        result->failure = g_strdup(failure->message);
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    result->result = (gint32) value;
    return check_result(hook, result->result, error);
}

static const PatchHookPlace *
hook_at(const GPtrArray *records, GuestVa va, const PatchRecord **record)
{
    for (guint i = 0; va && i < records->len; i++) {
        *record = records->pdata[i];
        for (guint h = 0; h < (*record)->hooks->len; h++) {
            const PatchHookPlace *hook = (*record)->hooks->pdata[h];

            if (hook->va == va)
                return hook;
        }
    }
    return NULL;
}

/* What RUNNER runs, if it is a hook that has had its time. */
static gboolean
end_left(const PatchGuest *guest, const GPtrArray *records, const PatchRecord *runner, PatchPauses *pauses)
{
    const PatchRecord *record;
    const PatchHookPlace *hook = hook_at(records, patch_runner_function(guest->kernel, runner), &record);
    PatchCall call = { .bytes_argument = -1 };

    if (!hook || g_get_real_time() / G_USEC_PER_SEC <= runner->applied_at + hook->limit_s)
        return FALSE;
    call.name = hook->name;
    call.function = hook->va;
    call.limit_s = hook->limit_s;
    call.own = own_code(record, hook);
    return patch_runner_stop(guest, runner, &call, pauses);
}

gboolean
patch_hooks_end_left(const PatchGuest *guest, const GPtrArray *records, PatchPauses *pauses)
{
    gboolean ended = FALSE;

    for (guint i = 0; i < records->len; i++)
        if (patch_record_is_runner(records->pdata[i]))
            ended = end_left(guest, records, records->pdata[i], pauses) || ended;
    return ended;
}

gboolean
patch_hooks_run(const PatchGuest *guest, const GPtrArray *records, PatchHookKind kind, GPtrArray *results,
                PatchPauses *pauses, GError **error)
{
    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        for (guint h = 0; h < record->hooks->len; h++) {
            const PatchHookPlace *hook = record->hooks->pdata[h];

            if (hook->kind == kind && !run(guest, record, hook, results, pauses, error))
                return FALSE;
        }
    }
    return TRUE;
}
