/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/module.h"

#include <string.h>

#include "patcher/error.h"

#define LIVE 'L'

PatchModuleState
patch_module_state(const IntroKernel *kernel, const char *module, const IntroModule **found)
{
    GPtrArray *modules = intro_kernel_modules(kernel);

    if (found)
        *found = NULL;
    if (!*module)
        return PATCH_MODULE_LOADED;
    for (guint i = 0; i < modules->len; i++) {
        const IntroModule *candidate = modules->pdata[i];

        if (!g_str_equal(candidate->name, module))
            continue;
        if (found)
            *found = candidate;
        return candidate->state == LIVE ? PATCH_MODULE_LOADED : PATCH_MODULE_MOVING;
    }
    return PATCH_MODULE_NOT_LOADED;
}

static gboolean
require_state(PatchPlan *plan, const IntroKernel *kernel, const IntroModule *module, GError **error)
{
    gint64 live;
    guint32 word;
    gsize offset;
    g_autoptr(GBytes) bytes = NULL;

    if (!intro_btf_offset(intro_kernel_btf(kernel), "module", "state", &offset, error) ||
        !intro_btf_enumerator(intro_kernel_btf(kernel), "MODULE_STATE_LIVE", &live, error))
        return FALSE;
    word = GUINT32_TO_LE((guint32) live);
    bytes = g_bytes_new(&word, sizeof word);
    patch_plan_require(plan, module->module + offset, bytes, PATCH_ERROR_NOT_NOW,
                       g_strdup_printf("module %s is being unloaded", module->name));
    return TRUE;
}

/* By its name, with the NUL: another module's structure may come to lie where this one's was. */
static gboolean
require_name(PatchPlan *plan, const IntroKernel *kernel, const IntroModule *module, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(module->name, strlen(module->name) + 1);
    gsize offset;

    if (!intro_btf_offset(intro_kernel_btf(kernel), "module", "name", &offset, error))
        return FALSE;
    patch_plan_require(plan, module->module + offset, bytes, PATCH_ERROR_NOT_NOW,
                       g_strdup_printf("module %s is gone", module->name));
    return TRUE;
}

gboolean
patch_module_require(PatchPlan *plan, const IntroKernel *kernel, const char *module, GError **error)
{
    const IntroModule *found;

    if (!*module)
        return TRUE;
    if (patch_module_state(kernel, module, &found) == PATCH_MODULE_LOADED)
        return require_state(plan, kernel, found, error) && require_name(plan, kernel, found, error);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                "module %s is being loaded or unloaded at the moment; try again", module);
    return FALSE;
}
