/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/homes.h"

#include <elf.h>

#include "patcher/compare.h"
#include "patcher/tables.h"

/* --- What moves */

/* Sections that hold ordinary code go by one name: where among it a function lies says nothing. */
static const char *
code_home(const char *section)
{
    return g_str_has_prefix(section, ".text.") ? ".text" : section;
}

static void
compare_function_home(PatchDiff *diff, const char *name, const char *old_section, const char *new_section)
{
    const char *old_home = code_home(old_section), *new_home = code_home(new_section);

    if (!g_str_equal(old_home, new_home))
        patch_findings_add(diff->findings, PATCH_FINDING_FUNCTION, name,
                           "%s moves from section %s to %s: the kernel tells by its place what may be done with it, and an "
                           "update cannot put it there", name, old_home, new_home);
}

/* As with notrace, which is there for what the tracer itself calls, or where nothing may be traced. */
static void
compare_tracing(PatchDiff *diff, const PatchElfItem *old_item, const PatchElfItem *new_item)
{
    if (patch_tables_tracer(diff->old_entries, old_item->section, old_item->offset, old_item->size) &&
        !patch_tables_tracer(diff->new_entries, new_item->section, new_item->offset, new_item->size))
        patch_findings_add(diff->findings, PATCH_FINDING_FUNCTION, new_item->name,
                           "%s can be traced, and with the patch it cannot (notrace): calls of it go by the old function's place "
                           "for the function tracer, which stays, so it still could be; give the new one another name, and "
                           "have its callers call that", new_item->name);
}

typedef enum { HOME_READ_ONLY, HOME_AFTER_BOOT, HOME_BOOT, HOME_PER_CPU, HOME_WRITABLE } DataHome;

static DataHome
data_home(const PatchElfSection *section)
{
    if (patch_is_boot_section(section->name))
        return HOME_BOOT;
    if (g_str_has_prefix(section->name, ".data..percpu"))
        return HOME_PER_CPU;
    if (g_str_has_prefix(section->name, ".data..ro_after_init"))
        return HOME_AFTER_BOOT;
    return section->flags & SHF_WRITE ? HOME_WRITABLE : HOME_READ_ONLY;
}

/* What data are in a running kernel, they stay. The new code may take them for less than that, but not for more. */
static void
compare_data_home(PatchDiff *diff, const char *name, const PatchElfSection *old_section, const PatchElfSection *new_section)
{
    static const char *const words[] = {
        [HOME_READ_ONLY] = "constant", [HOME_AFTER_BOOT] = "not to be written to after boot",
        [HOME_BOOT] = "there during boot only", [HOME_PER_CPU] = "per CPU", [HOME_WRITABLE] = "an ordinary variable",
    };
    DataHome old_home = data_home(old_section), new_home = data_home(new_section);

    if (old_home == new_home || new_home == HOME_BOOT || new_home == HOME_READ_ONLY ||
        (new_home == HOME_AFTER_BOOT && old_home != HOME_BOOT && old_home != HOME_PER_CPU))
        return;
    patch_findings_add(diff->findings, PATCH_FINDING_DATA, name,
                       "%s was %s (in %s), and is to be %s (in %s); in a running kernel it stays what it is: leave it, and "
                       "give what is needed a variable of its own", name, words[old_home], old_section->name,
                       words[new_home], new_section->name);
}

static void
compare_homes(PatchDiff *diff)
{
    const PatchPairing *pairing = diff->pairing;

    for (guint32 i = 0; i < pairing->new_elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(pairing->new_elf, i), *old_item;
        gint32 pair = pairing->old_of_new[i];
        const PatchElfSection *old_section, *new_section;

        if (pair < 0)
            continue;
        old_item = patch_elf_item(pairing->old_elf, pair);
        old_section = patch_elf_section(pairing->old_elf, old_item->section);
        new_section = patch_elf_section(pairing->new_elf, item->section);
        if (item->is_function) {
            compare_function_home(diff, item->name, old_section->name, new_section->name);
            compare_tracing(diff, old_item, item);
        } else if (item->size) {
            compare_data_home(diff, item->name, old_section, new_section);
        }
    }
}

/* --- Names that others know */

/* Global name -> symbol number + 1, of those that are another name of an item. */
static GHashTable *
aliases_of(const PatchElf *elf)
{
    GHashTable *aliases = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint32 i = 0; i < elf->symbols->len; i++) {
        const PatchElfSymbol *symbol = patch_elf_symbol(elf, i);

        if (symbol->is_global && symbol->section >= 0 && symbol->is_function)
            g_hash_table_insert(aliases, symbol->name, GUINT_TO_POINTER(i + 1));
    }
    return aliases;
}

static gint32
item_of(const PatchElf *elf, guint32 number)
{
    const PatchElfSymbol *symbol = patch_elf_symbol(elf, number);

    return patch_elf_item_at(elf, symbol->section, symbol->value);
}

/* Who calls NAME from another file goes on calling what it was. A function of its own that has changed is changed there. */
static void
compare_alias(PatchDiff *diff, const char *name, guint32 old_item, guint32 new_item)
{
    const char *was = patch_elf_item(diff->pairing->old_elf, old_item)->name;
    const char *is = patch_elf_item(diff->pairing->new_elf, new_item)->name;
    gboolean was_own = g_str_equal(was, name), is_own = g_str_equal(is, name);

    if (diff->pairing->new_of_old[old_item] == (gint32) new_item || (was_own && is_own) ||
        patch_compare_items(diff, old_item, new_item))
        return;
    patch_findings_add(diff->findings, PATCH_FINDING_FUNCTION, name,
                       "%s is now %s%s, and was %s%s: who calls it by that name goes on calling the old one; change that "
                       "function itself", name, is_own ? "a function of its own" : "another name of ", is_own ? "" : is,
                       was_own ? "a function of its own" : "another name of ", was_own ? "" : was);
}

static void
compare_aliases(PatchDiff *diff)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    g_autoptr(GHashTable) old_names = aliases_of(old_elf), new_names = aliases_of(new_elf);

    for (guint32 i = 0; i < new_elf->symbols->len; i++) {
        const char *name = patch_elf_symbol(new_elf, i)->name;
        guint32 now = GPOINTER_TO_UINT(g_hash_table_lookup(new_names, name));
        guint32 before = GPOINTER_TO_UINT(g_hash_table_lookup(old_names, name));
        gint32 old_item = before ? item_of(old_elf, before - 1) : -1, new_item = now == i + 1 ? item_of(new_elf, i) : -1;

        if (old_item >= 0 && new_item >= 0)
            compare_alias(diff, name, old_item, new_item);
    }
}

/* --- What has no name */

/* Items that functions refer to: those tell by themselves when they change. */
static GHashTable *
used_by_functions(const PatchElf *elf)
{
    GHashTable *used = g_hash_table_new(NULL, NULL);

    for (guint32 i = 0; i < elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(elf, i);
        const PatchElfSection *section = patch_elf_section(elf, item->section);

        if (!item->is_function)
            continue;
        for (guint j = patch_elf_first_reloc(section, item->offset); j < section->relocs->len; j++) {
            const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, j);
            PatchPlace place;

            if (reloc->offset >= item->offset + item->size)
                break;
            place = patch_elf_place(elf, reloc);
            if (place.kind == PATCH_PLACE_ITEM)
                g_hash_table_add(used, GUINT_TO_POINTER(place.index));
        }
    }
    return used;
}

/* Sections whose content matters only where code refers to it. */
static gboolean
is_ordinary(const PatchElfSection *section)
{
    static const char *const prefixes[] = {
        ".text", ".rodata", ".data", ".bss", ".init.", ".exit.", ".static_call.text", "__dyndbg", ".altinstr_aux",
        "__tracepoints", ".virt_livepatch.",
    };

    if (!(section->flags & SHF_ALLOC) || patch_elf_is_code(section) || patch_elf_is_mergeable(section) ||
        patch_tables_own(section->name))
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(section->name, prefixes[i]))
            return !g_str_equal(section->name, ".init.setup");
    return FALSE;
}

/* The nameless items of ELF, of guint32: code that does something, or else tables that the kernel reads at boot. The code of
 * .fixup (until Linux 5.15) is compared with the exceptions that lead there. */
static GArray *
nameless_items(const PatchElf *elf, gboolean is_code)
{
    g_autoptr(GHashTable) used = used_by_functions(elf);
    GArray *items = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint32 i = 0; i < elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(elf, i);
        const PatchElfSection *section = patch_elf_section(elf, item->section);

        if (item->symbol >= 0 || item->is_padding || patch_elf_is_code(section) != is_code ||
            patch_is_boot_section(section->name) || patch_tables_own(section->name) ||
            g_str_equal(section->name, ".fixup") || g_hash_table_contains(used, GUINT_TO_POINTER(i)) ||
            (!is_code && is_ordinary(section)))
            continue;
        g_array_append_val(items, i);
    }
    return items;
}

static const char *
home_of(const PatchElf *elf, const GArray *items, guint index)
{
    return patch_elf_section(elf, patch_elf_item(elf, g_array_index(items, guint32, index))->section)->name;
}

static void
compare_nameless_code(PatchDiff *diff)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    g_autoptr(GArray) old_items = nameless_items(old_elf, TRUE), new_items = nameless_items(new_elf, TRUE);

    for (guint i = 0; i < MAX(old_items->len, new_items->len); i++) {
        const char *section = i < new_items->len ? home_of(new_elf, new_items, i) : home_of(old_elf, old_items, i);

        if (i < old_items->len && i < new_items->len && g_str_equal(home_of(old_elf, old_items, i), section) &&
            patch_compare_items(diff, g_array_index(old_items, guint32, i), g_array_index(new_items, guint32, i)))
            continue;
        patch_findings_add(diff->findings, PATCH_FINDING_FUNCTION, section,
                           "code in the section %s changes that is no function (by asm() outside of functions); code in "
                           "assembly cannot be updated", section);
        return;
    }
}

static guint64
total_size(const PatchElf *elf, const char *name)
{
    guint64 size = 0;

    for (guint32 i = patch_elf_find_section(elf, name, 0); i; i = patch_elf_find_section(elf, name, i))
        size += patch_elf_section(elf, i)->size;
    return size;
}

/* What an entry of a table is in the source, for tables whose names do not tell. */
static const char *
entry_words(const char *section)
{
    static const struct {
        const char *section, *words;
    } tables[] = {
        { "_ftrace_events", " (trace events, of TRACE_EVENT())" }, { "__bpf_raw_tp_map", " (trace events, for BPF)" },
        { "_ftrace_eval_map", " (names of values in trace events)" }, { "__param", " (parameters)" },
        { ".init.setup", " (parameters of the kernel's command line)" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
        if (g_str_equal(section, tables[i].section))
            return tables[i].words;
    return "";
}

/* A table of the kernel's that is read at boot (initcalls, parameters, trace events): more entries would not be seen. A
 * tracepoint alone needs none: who uses it refers to it. */
static void
compare_boot_tables(PatchDiff *diff)
{
    const PatchElf *elf = diff->pairing->new_elf, *old_elf = diff->pairing->old_elf;

    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);
        gboolean is_first = patch_elf_find_section(elf, section->name, 0) == i;

        if (is_first && !is_ordinary(section) && total_size(elf, section->name) != total_size(old_elf, section->name))
            patch_findings_add(diff->findings, PATCH_FINDING_TABLE, section->name,
                               "the table %s%s gets or loses entries; the kernel reads it only at boot or when a module is "
                               "loaded: they take a hook that does what the kernel does with them", section->name,
                               entry_words(section->name));
    }
}

static void
compare_nameless_tables(PatchDiff *diff)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    g_autoptr(GArray) old_items = nameless_items(old_elf, FALSE), new_items = nameless_items(new_elf, FALSE);

    for (guint i = 0; i < MIN(old_items->len, new_items->len); i++) {
        const char *section = home_of(new_elf, new_items, i);

        if (total_size(old_elf, section) != total_size(new_elf, section) ||
            (g_str_equal(home_of(old_elf, old_items, i), section) &&
             patch_compare_items(diff, g_array_index(old_items, guint32, i), g_array_index(new_items, guint32, i))))
            continue;
        patch_findings_add(diff->findings, PATCH_FINDING_TABLE, section,
                           "the table %s gets other entries; the kernel reads it only at boot or when a module is loaded: "
                           "they take a hook that does what the kernel does with them", section);
        return;
    }
}

void
patch_homes_compare(PatchDiff *diff)
{
    compare_boot_tables(diff);
    compare_nameless_tables(diff);
    compare_homes(diff);
    compare_aliases(diff);
    compare_nameless_code(diff);
}
