/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/plan.h"

#include <string.h>

#include "patcher/error.h"

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

PatchPlan *
patch_plan_new(const char *verb, PatchRecord *record)
{
    PatchPlan *plan = g_new0(PatchPlan, 1);

    plan->writes = g_ptr_array_new_with_free_func((GDestroyNotify) write_free);
    plan->forbidden = g_ptr_array_new_with_free_func((GDestroyNotify) forbidden_free);
    plan->verb = verb;
    plan->record = record;
    return plan;
}

void
patch_plan_free(PatchPlan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->writes);
    g_ptr_array_unref(plan->forbidden);
    patch_record_free(plan->record);
    g_free(plan);
}

void
patch_plan_forbid(PatchPlan *plan, const char *name, GuestVa va, guint64 length, GuestVa open_until)
{
    PatchForbidden *forbidden = g_new0(PatchForbidden, 1);

    *forbidden = (PatchForbidden) { g_strdup(name), va, length, open_until };
    g_ptr_array_add(plan->forbidden, forbidden);
}

gboolean
patch_plan_write(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, GBytes *before, GBytes *after, GError **error)
{
    PatchWrite *write = g_new0(PatchWrite, 1);
    gsize length = g_bytes_get_size(after), done = 0;

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
patch_plan_write_state(PatchPlan *plan, const IntroKernel *kernel, PatchState state, GError **error)
{
    guint32 word = GUINT32_TO_LE(state);
    g_autoptr(GBytes) bytes = g_bytes_new(&word, sizeof word);

    return patch_plan_write(plan, kernel, plan->record->block.va + PATCH_BLOCK_STATE_OFFSET, NULL, bytes, error);
}

GBytes *
patch_plan_filler(guint8 byte, gsize length)
{
    guint8 *bytes = g_malloc(length);

    memset(bytes, byte, length);
    return g_bytes_new_take(bytes, length);
}
