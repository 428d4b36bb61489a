/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/installed.h"

#include "patcher/jumps.h"

static void
installed_free(PatchInstalled *update)
{
    g_ptr_array_unref(update->records);
    g_ptr_array_unref(update->waiting);
    g_ptr_array_unref(update->gone);
    g_free(update);
}

static gboolean
is_gone(const PatchInstalled *update, const PatchRecord *record)
{
    return patch_record_is_gone(update->guest->kernel, update->arena, record);
}

/* Whether a part of it is in force in that module. */
static gboolean
has_part(const PatchInstalled *update, const char *module)
{
    for (guint i = 0; i < update->records->len; i++) {
        const PatchRecord *record = update->records->pdata[i];

        if (g_str_equal(record->module.name, module) && !is_gone(update, record))
            return TRUE;
    }
    return FALSE;
}

static void
add_module(const PatchInstalled *update, GPtrArray *modules, const char *module)
{
    if (!has_part(update, module) && !g_ptr_array_find_with_equal_func(modules, module, g_str_equal, NULL))
        g_ptr_array_add(modules, (gpointer) module);
}

static void
find_missing_parts(PatchInstalled *update)
{
    for (guint i = 0; i < update->records->len; i++) {
        const PatchRecord *record = update->records->pdata[i];

        if (*record->module.name)
            add_module(update, update->gone, record->module.name);
    }
    for (guint i = 0; i < update->records->len; i++) {
        const PatchRecord *record = update->records->pdata[i];

        for (char **module = record->waiting; *module; module++)
            if (!g_ptr_array_find_with_equal_func(update->gone, *module, g_str_equal, NULL))
                add_module(update, update->waiting, *module);
    }
}

GPtrArray *
patch_installed_updates(const PatchGuest *guest, const PatchArena *arena)
{
    GPtrArray *records = patch_arena_records(arena);
    GPtrArray *updates = g_ptr_array_new_with_free_func((GDestroyNotify) installed_free);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];
        PatchInstalled *update = NULL;

        for (guint u = 0; u < updates->len && !update; u++) {
            PatchInstalled *other = updates->pdata[u];

            if (g_str_equal(((const PatchRecord *) other->records->pdata[0])->id, record->id))
                update = other;
        }
        if (!update) {
            update = g_new0(PatchInstalled, 1);
            *update = (PatchInstalled) { guest, arena, g_ptr_array_new(), g_ptr_array_new(), g_ptr_array_new() };
            g_ptr_array_add(updates, update);
        }
        g_ptr_array_add(update->records, (gpointer) record);
    }
    for (guint u = 0; u < updates->len; u++)
        find_missing_parts(updates->pdata[u]);
    return updates;
}
