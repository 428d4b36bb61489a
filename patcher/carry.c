/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/carry.h"

#include "patcher/diff.h"
#include "patcher/item-name.h"
#include "patcher/tables.h"

/* What the function that the new object calls NAME is called in the old one: variants that the compiler made are numbered. */
static const char *
old_name(const PatchCarry *carry, const char *name)
{
    gint32 item = patch_elf_find_item(carry->pairing->new_elf, name);
    gint32 pair = item >= 0 ? carry->pairing->old_of_new[item] : -1;

    return pair >= 0 ? patch_elf_item(carry->pairing->old_elf, pair)->name : name;
}

/* The same the other way round; to be freed. */
static char *
new_name(const PatchCarry *carry, const char *name)
{
    gint32 item = patch_elf_find_item(carry->pairing->old_elf, name);
    gint32 pair = item >= 0 ? carry->pairing->new_of_old[item] : -1;

    return g_strdup(pair >= 0 ? patch_elf_item(carry->pairing->new_elf, pair)->name : name);
}

/* Why the function cannot be redirected; NULL if it can. */
static char *
obstacle(const PatchCarry *carry, const char *name)
{
    gint32 item = carry->running.elf ? patch_elf_find_item(carry->running.elf, old_name(carry, name)) : -1;

    if (carry->clones && strchr(name, '.'))
        return g_strdup("is a variant that the compiler specialised, and may take other arguments than before");
    if (!patch_elf_has_item(carry->code, name))
        return g_strdup("was inlined wherever new code calls it");
    return item >= 0 ? patch_obstacle(&carry->running, item) : NULL;
}

gboolean
patch_carry_is_carried(const PatchCarry *carry, const char *name)
{
    g_autofree char *why = obstacle(carry, name);

    return why != NULL;
}

/* Adds who calls ITEM, as seen in the relocations of section INDEX. FALSE: something there keeps a pointer to it, whose
 * name is then in KEEPER. */
static gboolean
add_callers_in(PatchCarry *carry, guint32 item, guint32 index, const char **keeper)
{
    const PatchElf *elf = carry->pairing->old_elf;
    const PatchElfSection *section = patch_elf_section(elf, index);
    g_autofree char *name = new_name(carry, patch_elf_item(elf, item)->name);

    for (guint i = 0; i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place = patch_elf_place(elf, reloc);
        gint32 caller = patch_elf_item_at(elf, index, reloc->offset);
        g_autofree char *whole = NULL;
        char *replaced;

        if (place.kind != PATCH_PLACE_ITEM || place.index != item || caller == (gint32) item || caller < 0)
            continue;
        *keeper = patch_elf_item(elf, caller)->name;
        if (!reloc->is_branch)
            return FALSE;
        whole = patch_whole_name(*keeper);
        replaced = new_name(carry, whole);
        if (g_hash_table_contains(carry->replaced, replaced) || g_str_equal(replaced, name))
            g_free(replaced);
        else
            g_hash_table_insert(carry->replaced, replaced, g_strdup(name));
    }
    return TRUE;
}

/* Code that was dropped once it had run, or never was part of the kernel. */
static gboolean
is_gone(const PatchCarry *carry, const char *section)
{
    return patch_is_boot_section(section) && !(carry->is_module && g_str_has_prefix(section, ".exit."));
}

static void
add_callers(PatchCarry *carry, const char *name)
{
    const PatchElf *elf = carry->pairing->old_elf;
    gint32 item = patch_elf_find_item(elf, old_name(carry, name));
    const PatchElfItem *it = item >= 0 ? patch_elf_item(elf, item) : NULL;
    g_autofree char *why = obstacle(carry, name);
    const char *keeper;

    if (!it || patch_elf_symbol(elf, it->symbol)->is_global || patch_obstacle_always_sleeps(name)) {
        patch_findings_add(carry->findings, PATCH_FINDING_FUNCTION, name, "%s changes, and cannot be replaced: it %s", name,
                           why);
        return;
    }
    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        if (patch_tables_own(section->name) || is_gone(carry, section->name) ||
            add_callers_in(carry, item, i, &keeper))
            continue;
        patch_findings_add(carry->findings, PATCH_FINDING_FUNCTION, name, "%s changes, and cannot be replaced: it %s; nor "
                           "can all its callers be replaced instead, since %s keeps a pointer to it", name, why, keeper);
        return;
    }
}

void
patch_carry_expand(PatchCarry *carry)
{
    g_autoptr(GHashTable) done = g_hash_table_new(g_str_hash, g_str_equal);
    guint before;

    do {
        g_autofree gpointer *names = g_hash_table_get_keys_as_array(carry->replaced, &before);

        for (guint i = 0; i < before; i++)
            if (g_hash_table_add(done, names[i]) && patch_carry_is_carried(carry, names[i]))
                add_callers(carry, names[i]);
    } while (g_hash_table_size(carry->replaced) != before);
}
