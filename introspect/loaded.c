/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/loaded.h"

#include "introspect/module-symbols.h"

#define ATTEMPTS 10
#define MAX_SYMBOLS_BYTES (16U << 20)

static GPtrArray *
read_symbols(const IntroSpace *space, const IntroBtf *btf, GPtrArray *modules, GError **error)
{
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func((GDestroyNotify) intro_symbol_group_free);
    gsize budget = MAX_SYMBOLS_BYTES;

    for (guint i = 0; i < modules->len; i++) {
        IntroSymbolGroup *group = intro_module_symbols_read(space, btf, modules->pdata[i], &budget, error);

        if (group == NULL)
            return NULL;
        g_ptr_array_add(groups, group);
    }
    return g_steal_pointer(&groups);
}

/* What was read of the symbols of one that was in the middle of it may be anything. */
static gboolean
have_stayed(const GPtrArray *before, const GPtrArray *after)
{
    if (before->len != after->len)
        return FALSE;
    for (guint i = 0; i < before->len; i++) {
        const IntroModule *was = &((const IntroLoadedModule *) before->pdata[i])->module;
        const IntroModule *is = &((const IntroLoadedModule *) after->pdata[i])->module;

        /* The size: a module whose initialisation is over gives up memory, and symbols there. */
        if (was->module != is->module || was->base != is->base || was->size != is->size || was->state != is->state
            || !g_str_equal(was->name, is->name))
            return FALSE;
    }
    return TRUE;
}

static gboolean
try_to_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf, GPtrArray **modules,
            GPtrArray **groups, GError **error)
{
    g_autoptr(GPtrArray) before = intro_modules_read(space, symbols, btf, error);
    g_autoptr(GPtrArray) found = before != NULL ? read_symbols(space, btf, before, error) : NULL;
    g_autoptr(GPtrArray) after = found != NULL ? intro_modules_read(space, symbols, btf, error) : NULL;

    if (after == NULL)
        return FALSE;
    if (!have_stayed(before, after)) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's modules come and go all the time");
        return FALSE;
    }
    *modules = g_steal_pointer(&before);
    *groups = g_steal_pointer(&found);
    return TRUE;
}

gboolean
intro_loaded_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf, GPtrArray **modules,
                  GPtrArray **groups, GError **error)
{
    for (guint attempt = 1;; attempt++) {
        GError *local_error = NULL;

        if (try_to_read(space, symbols, btf, modules, groups, &local_error))
            return TRUE;
        if (attempt == ATTEMPTS || !(g_error_matches(local_error, INTRO_ERROR, INTRO_ERROR_CORRUPT)
                                     || g_error_matches(local_error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED))) {
            g_propagate_error(error, local_error);
            return FALSE;
        }
        g_error_free(local_error);
    }
}
