/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/plan-apply.h"

#include "config.h"

#include <string.h>

#include "patcher/assembly.h"
#include "patcher/error.h"
#include "patcher/inherit.h"
#include "patcher/jumps.h"
#include "patcher/known.h"
#include "patcher/module.h"
#include "patcher/pending.h"
#include "patcher/runner.h"
#include "patcher/values.h"

typedef struct {
    const IntroKernel *kernel;
    PatchArena *arena;
    const PatchUpdate *update;
    PatchApplyStage stage;
    PatchPlan *plan;
    GPtrArray *wanted;          /* of char *, of the update: modules ("" for vmlinux) that are to be changed now */
    GPtrArray *waiting;         /* the same: modules that are not loaded */
    GPtrArray *assemblies;      /* of PatchAssembly, one for each of WANTED */
} Application;

static void
application_clear(Application *application)
{
    g_clear_pointer(&application->plan, patch_plan_free);
    g_clear_pointer(&application->wanted, g_ptr_array_unref);
    g_clear_pointer(&application->waiting, g_ptr_array_unref);
    g_clear_pointer(&application->assemblies, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Application, application_clear)

static gboolean
check_build_id(const IntroKernel *kernel, const PatchUpdate *update, GError **error)
{
    if (!*update->build_id || g_str_equal(update->build_id, intro_kernel_build_id(kernel)))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the update is for the kernel with build-id %s; the guest runs %s (%s)", update->build_id,
                intro_kernel_build_id(kernel), intro_kernel_version(kernel));
    return FALSE;
}

/* ---- What there is to do ---- */

/* The record that the stage before has left for MODULE. */
static const PatchRecord *
placed_part(const Application *application, const char *module)
{
    GPtrArray *records = patch_arena_records(application->arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (g_str_equal(record->id, application->update->id) && g_str_equal(record->module.name, module) &&
            record->state == PATCH_STATE_PREPARING && !patch_record_is_runner(record))
            return record;
    }
    return NULL;
}

static const PatchRecord *
installed_part(const Application *application, const char *module)
{
    GPtrArray *records = patch_arena_records(application->arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (g_str_equal(record->id, application->update->id) && g_str_equal(record->module.name, module) &&
            !patch_record_is_gone(application->kernel, application->arena, record))
            return record;
    }
    return NULL;
}

static gboolean
has_string(const GPtrArray *strings, const char *string)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *) strings, string, g_str_equal, NULL);
}

static gboolean
sort_out_module(Application *application, const char *module, GError **error)
{
    if (has_string(application->wanted, module) || has_string(application->waiting, module))
        return TRUE;
    switch (patch_module_state(application->kernel, module, NULL)) {
    case PATCH_MODULE_LOADED:
        if (application->stage == PATCH_APPLY_SWITCH ? placed_part(application, module) != NULL
                                                     : !installed_part(application, module))
            g_ptr_array_add(application->wanted, (gpointer) module);
        return TRUE;
    case PATCH_MODULE_NOT_LOADED:
        g_ptr_array_add(application->waiting, (gpointer) module);
        return TRUE;
    case PATCH_MODULE_MOVING:
        break;
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                "module %s is being loaded or unloaded at the moment; try again", module);
    return FALSE;
}

static char **
copy_strings(const GPtrArray *strings)
{
    char **copy = g_new0(char *, strings->len + 1);

    for (guint i = 0; i < strings->len; i++)
        copy[i] = g_strdup(strings->pdata[i]);
    return copy;
}

/* Which parts of the update there is something to do for. */
static gboolean
sort_out_modules(Application *application, GError **error)
{
    const GPtrArray *objects = application->update->objects;
    g_auto(GStrv) names = NULL;
    g_autofree char *list = NULL;

    for (guint i = 0; i < objects->len; i++)
        if (!sort_out_module(application, ((const PatchObject *) objects->pdata[i])->module, error))
            return FALSE;
    if (application->wanted->len > 0)
        return TRUE;
    if (application->stage == PATCH_APPLY_SWITCH) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "what was put into the guest of update %s is gone",
                    application->update->id);
        return FALSE;
    }
    names = copy_strings(application->waiting);
    list = g_strjoinv(", ", names);
    if (*list)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "there is nothing in this guest to apply %s of update %s to: module %s is not loaded; apply again "
                    "when it is", patch_arena_has(application->arena, application->update->id) ? "the rest" : "any part",
                    application->update->id, list);
    else
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "update %s is installed already",
                    application->update->id);
    return FALSE;
}

/* What goes on the way: with REPLACE every other update, and else what this one has left of modules that went away. Hooks
 * of another one would have to be run between its end and the beginning of this one, which are one moment. */
static gboolean
sort_out_replaced(Application *application, gboolean replace, GError **error)
{
    GPtrArray *records = patch_arena_records(application->arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];
        gboolean is_own = g_str_equal(record->id, application->update->id);

        if (!(is_own ? patch_record_is_gone(application->kernel, application->arena, record) : replace))
            continue;
        g_ptr_array_add(application->plan->replaced, patch_record_ref(record));
        if (is_own || patch_inherit_is_possible(application->update, record))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "update %s, whose place is to be taken, has hooks to be run when it is undone: undo it first",
                    record->id);
        return FALSE;
    }
    return TRUE;
}

/* ---- What is put in ---- */

static PatchRecord *
new_record(const Application *application, const char *name, const IntroModule *module)
{
    const PatchUpdate *update = application->update;
    PatchRecord *record = patch_record_new();

    g_strlcpy(record->id, update->id, sizeof record->id);
    record->description = g_strdup(update->description);
    record->kernel = g_strdup(update->kernel);
    record->tool = g_strdup(PACKAGE_STRING);
    record->cves = g_strdupv(update->cves);
    record->applied_at = g_get_real_time() / G_USEC_PER_SEC;
    record->sequence = patch_arena_next_sequence(application->arena);
    record->module = (PatchModule) { g_strdup(name), module ? module->module : 0, module ? module->base : 0 };
    record->waiting = copy_strings(application->waiting);
    for (guint i = 0; i < application->plan->replaced->len; i++)
        g_array_append_val(record->replaces, ((const PatchRecord *) application->plan->replaced->pdata[i])->block.va);
    return record;
}

static gboolean
assemble(Application *application, const char *module, GError **error)
{
    const GPtrArray *objects = application->update->objects;
    gboolean is_placed = application->stage == PATCH_APPLY_SWITCH;
    const IntroModule *found;
    PatchAssembly *assembly;

    patch_module_state(application->kernel, module, &found);
    assembly = patch_assembly_new(application->kernel, application->arena,
                                  is_placed ? patch_record_ref(placed_part(application, module))
                                            : new_record(application, module, found));
    g_ptr_array_add(application->assemblies, assembly);
    for (guint i = 0; i < objects->len; i++) {
        const PatchObject *object = objects->pdata[i];

        if (g_str_equal(object->module, module) && !patch_assembly_add(assembly, object, error))
            return FALSE;
    }
    g_ptr_array_add(application->plan->records, patch_record_ref(assembly->record));
    return (is_placed || patch_assembly_place(assembly, application->arena, error)) &&
           patch_module_require(application->plan, application->kernel, module, error);
}

static guint64
first_sequence(const Application *application)
{
    GPtrArray *records = patch_arena_records(application->arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (g_str_equal(record->id, application->update->id))
            return record->sequence;
    }
    return G_MAXUINT64;
}

/* LATEST (may be NULL) has changed NAME already. */
static gboolean
check_later(const PatchRecord *record, guint64 first, const PatchRecord *latest, const char *name, GError **error)
{
    if (!latest || latest->sequence < first)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "update %s was applied after the first part of %s and changes %s too: undo %s first, and apply it "
                "again afterwards", latest->id, record->id, name, latest->id);
    return FALSE;
}

/* The rest of an update comes below what was applied after its first part, and there is no way to put it there. */
static gboolean
check_order(const Application *application, const PatchRecord *record, GError **error)
{
    const GPtrArray *replaced = application->plan->replaced;
    guint64 first = first_sequence(application);

    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];
        const PatchRecord *latest = patch_jumps_latest(application->kernel, application->arena, replaced, jump->jump_va,
                                                       NULL);

        if (!check_later(record, first, latest, jump->name, error))
            return FALSE;
    }
    for (guint i = 0; i < record->values->len; i++) {
        const PatchValue *value = record->values->pdata[i];
        const PatchRecord *latest = patch_values_latest(application->kernel, application->arena, replaced, value);

        if (!check_later(record, first, latest, value->name, error))
            return FALSE;
    }
    return TRUE;
}

/* The parts of a function that the compiler made are named after it: f.cold. */
static gboolean
is_part_of(const char *name, const char *function)
{
    gsize length = strlen(function);

    return strncmp(name, function, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

/* Of a function that was replaced before, the code that is in use is the replacement. */
static void
forbid_superseded(const Application *application, const PatchRecord *record)
{
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i], *other;
        const PatchRecord *latest = patch_jumps_latest(application->kernel, application->arena,
                                                       application->plan->replaced, jump->jump_va, &other);

        for (guint p = 0; latest && p < latest->placed->len; p++) {
            const PatchPlaced *placed = latest->placed->pdata[p];

            if (placed->kind == PATCH_PIECE_TEXT &&
                (placed->va == other->replacement_va || is_part_of(placed->name, other->name)))
                patch_plan_forbid(application->plan, placed->name, placed->va, placed->size, 0);
        }
    }
}

/* Nothing in the guest knows of the new code before there is a jump to it. */
static gboolean
plan_blocks(const Application *application, GError **error)
{
    application->plan->step = PATCH_STEP_PREPARE;
    for (guint i = 0; i < application->assemblies->len; i++) {
        const PatchAssembly *assembly = application->assemblies->pdata[i];

        if (!(application->stage == PATCH_APPLY_SWITCH
                  ? patch_assembly_require_data(assembly, application->plan, error)
                  : patch_assembly_plan(assembly, application->plan, error)) ||
            !check_order(application, assembly->record, error))
            return FALSE;
        patch_assembly_note_overridden(assembly, application->plan);
        patch_assembly_forbid(assembly, application->plan);
        forbid_superseded(application, assembly->record);
    }
    application->plan->step = PATCH_STEP_COMMIT;
    return TRUE;
}

/* From the first of these writes on, the application is done, and what is left is tidying up. */
static gboolean
plan_states(const Application *application, GError **error)
{
    for (guint i = 0; i < application->assemblies->len; i++) {
        const PatchAssembly *assembly = application->assemblies->pdata[i];

        if (!patch_plan_write_state(application->plan, application->kernel, assembly->record, PATCH_STATE_INSTALLED,
                                    error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
plan_replaced(const Application *application, GError **error)
{
    const GPtrArray *replaced = application->plan->replaced;

    for (guint i = 0; i < replaced->len; i++) {
        const PatchRecord *record = replaced->pdata[i];

        patch_plan_forbid_text(application->plan, record);
        patch_pending_plan(application->plan, application->kernel, record);
        if ((!patch_record_is_gone(application->kernel, application->arena, record) &&
             !patch_module_require(application->plan, application->kernel, record->module.name, error)) ||
            !patch_plan_empty(application->plan, application->kernel, record, TRUE, error))
            return FALSE;
    }
    return TRUE;
}

/* Before its code is placed, there is nothing that could take over; whoever does has a hook, and is placed first. */
static gboolean
plan_inherited(Application *application, GError **error)
{
    const PatchPlan *plan = application->plan;

    if (application->stage != PATCH_APPLY_SWITCH)
        return TRUE;
    for (guint i = 0; i < plan->replaced->len; i++)
        for (guint j = 0; j < plan->records->len; j++)
            if (!patch_inherit_plan(application->plan, application->kernel, plan->replaced->pdata[i],
                                    plan->records->pdata[j], error))
                return FALSE;
    return TRUE;
}

static gboolean
plan_switch(Application *application, GError **error)
{
    const PatchPlan *plan = application->plan;

    return patch_jumps_plan(application->plan, application->kernel, application->arena, plan->replaced, plan->records,
                            error) &&
           patch_values_plan(application->plan, application->kernel, application->arena, plan->replaced, plan->records,
                             FALSE, error) &&
           plan_inherited(application, error) && plan_states(application, error) &&
           patch_known_plan_removed(application->plan, application->kernel, application->arena, plan->replaced,
                                    plan->records, error) &&
           plan_replaced(application, error);
}

/* More than that would not be believed when it is read back. */
static gboolean
check_number(const Application *application, GError **error)
{
    guint n_changes = 0;

    for (guint i = 0; i < application->plan->records->len; i++) {
        const PatchRecord *record = application->plan->records->pdata[i];

        n_changes += record->jumps->len + record->values->len;
    }
    if (patch_arena_can_hold(application->arena, n_changes))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "with this update the guest would have more than %d changed functions and data, and no more are kept account of",
                PATCH_MAX_CHANGES);
    return FALSE;
}

static gboolean
plan_all(Application *application, GError **error)
{
    const PatchPlan *plan = application->plan;

    for (guint i = 0; i < application->wanted->len; i++)
        if (!assemble(application, application->wanted->pdata[i], error))
            return FALSE;
    if (!plan_blocks(application, error) ||
        (application->stage != PATCH_APPLY_SWITCH &&
         (!check_number(application, error) ||
          !patch_known_plan_added(application->plan, application->kernel, application->arena, plan->records, error))))
        return FALSE;
    return application->stage == PATCH_APPLY_PLACE || plan_switch(application, error);
}

PatchPlan *
patch_plan_apply(const IntroKernel *kernel, PatchArena *arena, const PatchUpdate *update, gboolean replace,
                 PatchApplyStage stage, GError **error)
{
    g_auto(Application) application = {
        .kernel = kernel, .arena = arena, .update = update, .stage = stage, .plan = patch_plan_new("apply"),
        .wanted = g_ptr_array_new(), .waiting = g_ptr_array_new(),
        .assemblies = g_ptr_array_new_with_free_func((GDestroyNotify) patch_assembly_free),
    };

    if (!check_build_id(kernel, update, error) ||
        (stage != PATCH_APPLY_SWITCH && !patch_arena_check_settled(arena, error)) ||
        !sort_out_modules(&application, error))
        return NULL;
    if (!sort_out_replaced(&application, replace, error) || !plan_all(&application, error))
        return NULL;
    return g_steal_pointer(&application.plan);
}
