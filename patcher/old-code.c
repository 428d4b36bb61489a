/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/old-code.h"

#include <elf.h>
#include <string.h>

#include "patcher/diff.h"
#include "patcher/error.h"
#include "patcher/sites.h"

#define MIN_TELLING_BYTES 64    /* of a function that says something of the kernel that it is in */

struct PatchOldCode {
    PatchObject *object;
    const PatchElf *elf;
    GArray *entries;
    GHashTable *sections;       /* section of ELF -> index + 1 */
    GHashTable *symbols;        /* symbol of ELF -> index + 1 */
    GHashTable *externs;        /* char * -> index + 1 */
    GHashTable *functions;      /* item of ELF -> index + 1 */
    GHashTable *literals;       /* GBytes * -> index + 1 */
};

static guint32
lookup(GHashTable *table, guint32 key)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(table, GUINT_TO_POINTER(key)));
}

/* The last of ARRAY is what KEY stands for from now on; returns its index. */
static guint32
remember(GHashTable *table, gpointer key, const GPtrArray *array)
{
    g_hash_table_insert(table, key, GUINT_TO_POINTER(array->len));
    return array->len - 1;
}

PatchOldCode *
patch_old_code_new(PatchObject *object, const PatchElf *elf, GError **error)
{
    g_autoptr(PatchOldCode) old = g_new0(PatchOldCode, 1);

    old->object = object;
    old->elf = elf;
    old->sections = g_hash_table_new(NULL, NULL);
    old->symbols = g_hash_table_new(NULL, NULL);
    old->externs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    old->functions = g_hash_table_new(NULL, NULL);
    old->literals = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
    old->entries = patch_tables_read(elf, error);
    return old->entries ? g_steal_pointer(&old) : NULL;
}

void
patch_old_code_free(PatchOldCode *old)
{
    if (!old)
        return;
    g_hash_table_unref(old->sections);
    g_hash_table_unref(old->symbols);
    g_hash_table_unref(old->externs);
    g_hash_table_unref(old->functions);
    g_hash_table_unref(old->literals);
    g_clear_pointer(&old->entries, g_array_unref);
    g_free(old);
}

static guint32
section_index(PatchOldCode *old, guint32 elf_section)
{
    const PatchElfSection *section = patch_elf_section(old->elf, elf_section);
    guint32 known = lookup(old->sections, elf_section);

    if (known)
        return known - 1;
    patch_object_add_section(old->object, section->name, section->size, section->alignment);
    return remember(old->sections, GUINT_TO_POINTER(elf_section), old->object->sections);
}

guint32
patch_old_code_extern(PatchOldCode *old, const char *name)
{
    guint32 known = GPOINTER_TO_UINT(g_hash_table_lookup(old->externs, name));

    if (known)
        return known - 1;
    patch_object_add_symbol(old->object, name, -1, 0, 0)->is_global = TRUE;
    return remember(old->externs, g_strdup(name), old->object->symbols);
}

guint32
patch_old_code_symbol(PatchOldCode *old, guint32 elf_symbol)
{
    const PatchElfSymbol *symbol = patch_elf_symbol(old->elf, elf_symbol);
    guint32 known = lookup(old->symbols, elf_symbol);
    PatchSymbol *added;

    if (known)
        return known - 1;
    if (symbol->section < 0)
        return patch_old_code_extern(old, symbol->name);
    added = patch_object_add_symbol(old->object, symbol->name, section_index(old, symbol->section), symbol->value,
                                    symbol->size);
    added->is_global = symbol->is_global;
    added->is_function = symbol->is_function;
    return remember(old->symbols, GUINT_TO_POINTER(elf_symbol), old->object->symbols);
}

static guint32
literal_index(PatchOldCode *old, const PatchPlace *place)
{
    gsize length;
    const guint8 *bytes = patch_elf_literal(old->elf, place, &length);
    g_autoptr(GBytes) literal = g_bytes_new(bytes, length);
    guint32 known = GPOINTER_TO_UINT(g_hash_table_lookup(old->literals, literal));

    if (known)
        return known - 1;
    g_ptr_array_add(old->object->literals, g_bytes_ref(literal));
    return remember(old->literals, g_steal_pointer(&literal), old->object->literals);
}

static gboolean
make_fixup(gpointer data, const PatchReloc *reloc, guint32 offset, GArray *fixups, GError **error)
{
    PatchOldCode *old = data;
    PatchPlace place = patch_elf_place(old->elf, reloc);
    PatchFixup fixup = { offset, reloc->type, reloc->addend, PATCH_TARGET_SYMBOL, 0 };

    if (place.kind == PATCH_PLACE_ABSOLUTE) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the code refers to an absolute address, or to behind the end of a string or constant, which cannot be matched");
        return FALSE;
    }
    if (place.kind == PATCH_PLACE_LITERAL) {
        fixup.target = PATCH_TARGET_LITERAL;
        fixup.index = literal_index(old, &place);
        fixup.addend = -(gint64) reloc->tail;
    } else {
        fixup.index = patch_old_code_symbol(old, reloc->symbol);
    }
    g_array_append_val(fixups, fixup);
    return TRUE;
}

static gboolean
fill_code(PatchOldCode *old, const PatchElfItem *item, PatchCode *code, GError **error)
{
    PatchSiteSource source = {
        .elf = old->elf, .entries = old->entries, .section = item->section, .start = item->offset, .size = item->size,
        .make_fixup = make_fixup, .data = old,
    };

    if (!patch_sites_copy(&source, code, error) || !patch_sites_add(&source, code, error))
        return FALSE;
    patch_sites_sort_fixups(code);
    return TRUE;
}

/* Any function, of SECTION if that is not -1, that can be told by its name; the smallest that is not tiny. */
static gint32
find_any_function(const PatchOldCode *old, gint64 section)
{
    gint32 best = -1;

    for (guint32 i = 0; i < old->elf->items->len; i++) {
        const PatchElfItem *item = patch_elf_item(old->elf, i);

        if (!item->is_function || item->symbol < 0 || item->size < MIN_TELLING_BYTES || item->is_opaque ||
            patch_is_boot_section(patch_elf_section(old->elf, item->section)->name) ||
            patch_elf_find_item(old->elf, item->name) != (gint32) i || patch_elf_symbol(old->elf, item->symbol)->is_weak ||
            (section >= 0 && item->section != section))
            continue;
        if (best < 0 || item->size < patch_elf_item(old->elf, best)->size)
            best = i;
    }
    return best;
}

/* Another object's function may have taken the place of a weak one, and its name. Where the weak one is then tells only one
 * that is matched before. */
static gboolean
add_guide(PatchOldCode *old, const PatchElfItem *item, GError **error)
{
    gint32 guide = patch_elf_symbol(old->elf, item->symbol)->is_weak ? find_any_function(old, item->section) : -1;
    guint32 index;

    return guide < 0 || patch_old_code_function(old, guide, &index, error);
}

gboolean
patch_old_code_function(PatchOldCode *old, guint32 elf_item, guint32 *index, GError **error)
{
    const PatchElfItem *item = patch_elf_item(old->elf, elf_item);
    guint32 known = lookup(old->functions, elf_item);
    PatchOldFunction *function;

    if (known) {
        *index = known - 1;
        return TRUE;
    }
    if (!add_guide(old, item, error))
        return FALSE;
    function = patch_object_add_function(old->object, patch_old_code_symbol(old, item->symbol));
    *index = remember(old->functions, GUINT_TO_POINTER(elf_item), old->object->functions);
    if (fill_code(old, item, function->code, error))
        return TRUE;
    g_prefix_error(error, "%s: ", item->name);
    return FALSE;
}

gint32
patch_old_code_find(const PatchOldCode *old, const char *name)
{
    return patch_elf_find_item(old->elf, name);
}

gboolean
patch_old_code_find_symbol(PatchOldCode *old, const char *name, guint32 *symbol)
{
    gint32 number = patch_old_code_find(old, name);

    if (number < 0 || patch_elf_item(old->elf, number)->symbol < 0)
        return FALSE;
    *symbol = patch_old_code_symbol(old, patch_elf_item(old->elf, number)->symbol);
    return TRUE;
}

/* Sections of ELF that a function to be matched lies in or refers to. */
static GHashTable *
located_sections(const PatchOldCode *old)
{
    GHashTable *located = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, old->functions);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const PatchElfItem *item = patch_elf_item(old->elf, GPOINTER_TO_UINT(key));
        const PatchElfSection *section = patch_elf_section(old->elf, item->section);

        g_hash_table_add(located, GUINT_TO_POINTER(item->section));
        for (guint i = patch_elf_first_reloc(section, item->offset); i < section->relocs->len; i++) {
            const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
            gint32 target = patch_elf_symbol(old->elf, reloc->symbol)->section;

            if (reloc->offset >= item->offset + item->size)
                break;
            if (target >= 0)
                g_hash_table_add(located, GINT_TO_POINTER(target));
        }
    }
    return located;
}

/* A function of the running kernel with a reference into SECTION; -1 if there is none. The smallest is the easiest to
 * match. */
static gint32
find_witness(const PatchOldCode *old, guint32 wanted)
{
    gint32 best = -1;

    for (guint32 i = 1; i < old->elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(old->elf, i);

        if (!patch_elf_is_code(section) || patch_is_boot_section(section->name))
            continue;
        for (guint j = 0; j < section->relocs->len; j++) {
            const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, j);
            gint32 number;

            if (patch_elf_symbol(old->elf, reloc->symbol)->section != (gint32) wanted)
                continue;
            number = patch_elf_item_at(old->elf, i, reloc->offset);
            if (number < 0 || !patch_elf_item(old->elf, number)->is_function ||
                patch_elf_find_item(old->elf, patch_elf_item(old->elf, number)->name) != number)
                continue;
            if (best < 0 || patch_elf_item(old->elf, number)->size < patch_elf_item(old->elf, best)->size)
                best = number;
        }
    }
    return best;
}

/* What data lead to is meant by its name where it has one, which tells more than how far into a section it is. */
static gboolean
make_value_fixup(gpointer data, const PatchReloc *reloc, guint32 offset, GArray *fixups, GError **error)
{
    PatchOldCode *old = data;
    PatchPlace place = patch_elf_place(old->elf, reloc);
    PatchFixup fixup = { offset, reloc->type, place.offset, PATCH_TARGET_SYMBOL, 0 };

    if (place.kind != PATCH_PLACE_ITEM || patch_elf_item(old->elf, place.index)->symbol < 0 ||
        patch_reloc_is_pc_relative(reloc->type))
        return make_fixup(old, reloc, offset, fixups, error);
    fixup.index = patch_old_code_symbol(old, patch_elf_item(old->elf, place.index)->symbol);
    g_array_append_val(fixups, fixup);
    return TRUE;
}

gboolean
patch_old_code_value(PatchOldCode *old, guint32 elf_item, guint64 offset, guint64 length, PatchCode *value,
                     GError **error)
{
    const PatchElfItem *item = patch_elf_item(old->elf, elf_item);
    PatchSiteSource source = {
        .elf = old->elf, .section = item->section, .start = item->offset + offset, .size = length,
        .make_fixup = make_value_fixup, .data = old,
    };

    return patch_sites_copy(&source, value, error);
}

static gboolean
add_any_function(PatchOldCode *old, GError **error)
{
    gint32 any = old->object->functions->len > 0 ? -1 : find_any_function(old, -1);
    guint32 function;

    return any < 0 || patch_old_code_function(old, any, &function, error);
}

/* Whether the guest's own symbols may tell where it is: what the compiler numbers has one of many such names. */
static gboolean
has_own_name(const PatchElfSymbol *symbol)
{
    return !symbol->is_section && !strchr(symbol->name, '.');
}

gboolean
patch_old_code_add_witnesses(PatchOldCode *old, GError **error)
{
    /* Witnesses bring sections of their own, which nothing new refers to: those need none. */
    guint n_symbols = old->object->symbols->len;
    g_autoptr(GHashTable) located = located_sections(old);
    g_autoptr(GHashTable) missing = g_hash_table_new(NULL, NULL);

    for (guint32 i = 0; i < old->elf->symbols->len; i++) {
        const PatchElfSymbol *symbol = patch_elf_symbol(old->elf, i);
        guint32 index = lookup(old->symbols, i);
        gint32 witness;
        guint32 function;

        if (!index || index > n_symbols || g_hash_table_contains(located, GINT_TO_POINTER(symbol->section)) ||
            !g_hash_table_add(missing, GINT_TO_POINTER(symbol->section)))
            continue;
        witness = find_witness(old, symbol->section);
        if (witness < 0 && symbol->section >= 0 && !symbol->is_global && !has_own_name(symbol)) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "the new code refers to %s, to which no other code of the running kernel refers, but for what only ran "
                        "at boot and what static keys switch: there is no telling where it is", symbol->name);
            return FALSE;
        }
        if (witness >= 0 && !patch_old_code_function(old, witness, &function, error))
            return FALSE;
    }
    return add_any_function(old, error);
}
