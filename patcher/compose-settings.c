/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/compose-private.h"

#include "patcher/error.h"
#include "patcher/new-data.h"

/* SETTING's variable in this object, -1 if it is of another one. */
static gboolean
find_setting(const PatchJob *job, const PatchSetting *setting, gint32 *item, GError **error)
{
    const char *other = g_hash_table_lookup(job->compose->settled, setting);

    *item = -1;
    if (setting->file && !g_str_equal(setting->file, job->file->path))
        return TRUE;
    if (!patch_new_data_find(job->running, setting, item, error))
        return FALSE;
    if (*item >= 0 && other && !g_str_equal(other, job->file->path)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: %s and %s have a variable of that name each; name the file",
                    setting->source, other, job->file->path);
        return FALSE;
    }
    return TRUE;
}

gboolean
patch_compose_has_settings(const PatchJob *job)
{
    for (guint i = 0; i < job->compose->settings->len; i++) {
        const PatchSetting *setting = job->compose->settings->pdata[i];

        if (!setting->file || g_str_equal(setting->file, job->file->path))
            return TRUE;
    }
    return FALSE;
}

gboolean
patch_compose_add_settings(PatchJob *job, GError **error)
{
    for (guint i = 0; i < job->compose->settings->len; i++) {
        const PatchSetting *setting = job->compose->settings->pdata[i];
        gint32 item;

        if (!find_setting(job, setting, &item, error))
            return FALSE;
        if (item < 0)
            continue;
        g_hash_table_insert(job->compose->settled, (gpointer) setting, g_strdup(job->file->path));
        if (!patch_new_data_set(job->object, job->running, job->old, item, setting, job->compose->notes, error))
            return FALSE;
    }
    return TRUE;
}
