/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/looks.h"

#include "introspect/callbacks.h"
#include "introspect/condition.h"
#include "introspect/generated.h"
#include "introspect/module-sections.h"
#include "introspect/module-table.h"
#include "introspect/module-uses.h"
#include "introspect/probes.h"
#include "introspect/tracers.h"
#include "introspect/window.h"
#include "patcher/plan-apply.h"
#include "patcher/plan-undo.h"

static void
look_at_probes(const IntroKernel *kernel)
{
    g_autoptr(GArray) probes = intro_kprobes(kernel, NULL);
    g_autoptr(GArray) livepatched = intro_livepatched(kernel, NULL);
    g_autoptr(GBytes) table = NULL;
    IntroTracers tracers;
    GuestVa va;

    table = intro_kprobes_table(kernel, &va, NULL);
    for (guint i = 0; livepatched && i < livepatched->len; i++)
        g_free(g_array_index(livepatched, IntroLivepatched, i).patch);
    intro_tracers_init(&tracers, kernel);
}

static void
look_at_modules(const IntroKernel *kernel)
{
    const GPtrArray *modules = intro_kernel_modules(kernel);
    IntroModuleTable table;
    gboolean uses;

    intro_module_table_read(kernel, &table, NULL);
    for (guint i = 0; i < modules->len; i++) {
        g_autoptr(GArray) sections = intro_module_sections(kernel, modules->pdata[i], NULL);

        intro_module_uses(kernel, modules->pdata[i], modules->pdata[0], &uses, NULL);
    }
}

static void
look_at_generated(const IntroKernel *kernel)
{
    g_autoptr(GArray) generated = intro_generated_read(kernel, NULL);

    for (guint i = 0; generated && i < generated->len; i++) {
        const IntroGenerated *code = &g_array_index(generated, IntroGenerated, i);

        intro_generated_has_frame(code, intro_kernel_space(kernel), code->end - 1, FALSE);
    }
}

static void
look_at_windows(const IntroKernel *kernel)
{
    g_autoptr(GArray) holes = intro_kernel_holes(kernel, NULL);
    IntroWindow window;

    for (guint i = 0; holes && i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);

        if (hole->executable)
            intro_window_find(kernel, holes, hole->va, &window, NULL);
    }
}

static gboolean
takes_any(GuestVa function, gconstpointer data)
{
    return TRUE;
}

static void
look_at_callbacks(const IntroKernel *kernel)
{
    g_autoptr(IntroCallbacks) callbacks = intro_callbacks_new(kernel);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroCallback));
    gboolean in_motion;

    intro_callbacks_find(callbacks, takes_any, NULL, found, &in_motion, NULL);
    intro_callbacks_find(callbacks, takes_any, NULL, found, &in_motion, NULL);
}

void
look_at_condition(const IntroKernel *kernel)
{
    g_autoptr(IntroCondition) condition = intro_condition_new(kernel, NULL);
    g_auto(GStrv) features = intro_kernel_cpu_feature_names(kernel);

    look_at_probes(kernel);
    look_at_modules(kernel);
    look_at_generated(kernel);
    look_at_windows(kernel);
    look_at_callbacks(kernel);
}

static void
plan_apply(const IntroKernel *kernel, const PatchUpdate *update, gboolean replace, PatchApplyStage stage)
{
    g_autoptr(PatchArena) arena = patch_arena_open(kernel, NULL);
    g_autoptr(PatchPlan) plan = arena ? patch_plan_apply(kernel, arena, update, replace, stage, NULL) : NULL;
}

void
look_at_updates(const IntroKernel *kernel, const PatchUpdate *update)
{
    g_autoptr(PatchArena) arena = patch_arena_open(kernel, NULL);
    g_autoptr(PatchPlan) undo = arena ? patch_plan_undo(kernel, arena, NULL, PATCH_UNDO_AT_ONCE, FALSE, NULL) : NULL;
    g_autoptr(PatchPlan) begin = arena ? patch_plan_undo(kernel, arena, NULL, PATCH_UNDO_SWITCH, TRUE, NULL) : NULL;
    g_autoptr(PatchPlan) recovery = arena ? patch_plan_recover(kernel, arena, NULL, NULL) : NULL;
    GPtrArray *records = arena ? patch_arena_records(arena) : NULL;

    for (guint i = 0; records && i < records->len; i++)
        g_ptr_array_unref(patch_verify_record(kernel, arena, records->pdata[i]));
    plan_apply(kernel, update, FALSE, PATCH_APPLY_AT_ONCE);
    plan_apply(kernel, update, TRUE, PATCH_APPLY_PLACE);
}
