/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/lookup.h"

#include "introspect/module-uses.h"
#include "patcher/error.h"
#include "patcher/module.h"

static const char *
module_of(const PatchObject *object)
{
    return *object->module ? object->module : NULL;
}

/* How many different places symbols of that name are at, in MODULE or vmlinux (NULL); VA is one of them. Where there are
 * several symbols, only those count that other objects can see. */
static guint
count_places(const IntroKernel *kernel, const char *module, const char *name, GuestVa *va)
{
    guint n_named, n_places = 0;
    g_autofree const IntroSymbol **named =
        intro_symbols_named(intro_kernel_symbols(kernel), module, name, &n_named);

    for (guint i = 0; i < n_named; i++) {
        if (n_named > 1 && !named[i]->is_global)
            continue;
        if (n_places == 0 || named[i]->va != *va)
            n_places++;
        *va = named[i]->va;
    }
    return n_places;
}

/* The kernel shows what is exported to all with capital letters, and what only to GPL modules like any other symbol; both
 * have an entry in the table of what is exported. */
static gboolean
is_exported(const IntroKernel *kernel, const IntroModule *module, const IntroSymbol *symbol)
{
    g_autofree char *entry = g_strconcat("__ksymtab_", symbol->name, NULL);
    guint n_entries;
    g_autofree const IntroSymbol **entries =
        intro_symbols_named(intro_kernel_symbols(kernel), module->name, entry, &n_entries);

    return g_ascii_isupper(symbol->type) || n_entries > 0;
}

/* The module, other than OBJECT's own, that exports NAME; NULL if there is none. */
static const IntroModule *
find_exporter(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa *va)
{
    GPtrArray *modules = intro_kernel_modules(kernel);

    for (guint m = 0; m < modules->len; m++) {
        const IntroModule *module = modules->pdata[m];
        guint n_named;
        g_autofree const IntroSymbol **named =
            intro_symbols_named(intro_kernel_symbols(kernel), module->name, name, &n_named);

        for (guint i = 0; i < n_named && !g_str_equal(module->name, object->module); i++) {
            *va = named[i]->va;
            if (is_exported(kernel, module, named[i]))
                return module;
        }
    }
    return NULL;
}

static gboolean
check_dependency(const IntroKernel *kernel, const PatchObject *object, const IntroModule *exporter, const char *name,
                 GError **error)
{
    const IntroModule *own;
    gboolean uses = FALSE;

    patch_module_state(kernel, object->module, &own);
    if (own && !intro_module_uses(kernel, own, exporter, &uses, error))
        return FALSE;
    if (!uses)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s: the new code refers to %s of module %s, which %s does not depend on and which could be unloaded",
                    object->path, name, exporter->name, object->module);
    return uses;
}

gboolean
patch_lookup(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa *va, GError **error)
{
    const char *own = module_of(object);
    guint n_places = own ? count_places(kernel, own, name, va) : 0;
    const IntroModule *exporter;

    if (n_places == 0)
        n_places = count_places(kernel, NULL, name, va);
    if (n_places == 1)
        return TRUE;
    exporter = n_places == 0 && own ? find_exporter(kernel, object, name, va) : NULL;
    if (exporter)
        return check_dependency(kernel, object, exporter, name, error);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "%s: the new code refers to %s, %s", object->path, name,
                n_places == 0 ? "which the guest's kernel does not have"
                              : "and the guest's kernel has several of that name");
    return FALSE;
}

gboolean
patch_lookup_own(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa *va)
{
    guint n_named;
    g_autofree const IntroSymbol **named =
        intro_symbols_named(intro_kernel_symbols(kernel), module_of(object), name, &n_named);

    if (n_named == 1)
        *va = named[0]->va;
    return n_named == 1;
}

static gboolean
is_at(const IntroKernel *kernel, const char *module, const char *name, GuestVa va, guint *n_known)
{
    guint n_named;
    g_autofree const IntroSymbol **named =
        intro_symbols_named(intro_kernel_symbols(kernel), module, name, &n_named);

    *n_known += n_named;
    for (guint i = 0; i < n_named; i++)
        if (named[i]->va == va)
            return TRUE;
    return FALSE;
}

gboolean
patch_lookup_agrees(const IntroKernel *kernel, const PatchObject *object, const char *name, GuestVa va)
{
    const char *own = module_of(object);
    const IntroSymbol *there = intro_symbols_at(intro_kernel_symbols(kernel), va, NULL);
    guint n_known = 0, n_elsewhere = 0;

    if ((own && is_at(kernel, own, name, va, &n_known)) || is_at(kernel, NULL, name, va, &n_known))
        return TRUE;
    if (own && there && there->module && is_at(kernel, there->module, name, va, &n_elsewhere))
        return TRUE;
    return n_known == 0;
}
