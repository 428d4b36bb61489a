/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/initial.h"

#include <elf.h>
#include <string.h>

#include "patcher/compare.h"
#include "patcher/item-flow.h"
#include "patcher/register-flow.h"
#include "patcher/tables.h"
#include "patcher/update-format.h"

#define UNIT_BYTES 4
#define MAX_WRITABLE_BYTES 65536    /* of a datum all of which is looked at while the guest stands still */

void
patch_initial_clear(gpointer initial)
{
    g_free(((PatchInitial *) initial)->doubt);
}

const PatchInitial *
patch_initial_find(const PatchDiff *diff, guint32 new_item)
{
    for (guint i = 0; i < diff->initials->len; i++) {
        const PatchInitial *initial = &g_array_index(diff->initials, PatchInitial, i);

        if (initial->new_item == new_item)
            return initial;
    }
    return NULL;
}

static const PatchElfSection *
section_of(const PatchElf *elf, guint32 item)
{
    return patch_elf_section(elf, patch_elf_item(elf, item)->section);
}

/* ---- Who refers to it ---- */

static gboolean
refers_to(const PatchElf *elf, const PatchElfSection *section, guint32 number)
{
    for (guint i = 0; i < section->relocs->len; i++) {
        PatchPlace place = patch_elf_place(elf, &g_array_index(section->relocs, PatchReloc, i));

        if (place.kind == PATCH_PLACE_ITEM && place.index == number)
            return TRUE;
    }
    return FALSE;
}

/* Whether anything but code refers to the item: a pointer in data, which an update cannot redirect. */
static gboolean
has_data_referrer(const PatchElf *elf, guint32 number)
{
    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        if (!patch_elf_is_code(section) && section->flags & SHF_ALLOC && !patch_tables_own(section->name) &&
            !g_str_equal(section->name, "__dyndbg") && refers_to(elf, section, number))
            return TRUE;
    }
    return FALSE;
}

static gboolean
has_boot_referrer(const PatchElf *elf, guint32 number)
{
    for (guint32 i = 1; i < elf->sections->len; i++) {
        const PatchElfSection *section = patch_elf_section(elf, i);

        if (patch_elf_is_code(section) && patch_is_boot_section(section->name) && refers_to(elf, section, number))
            return TRUE;
    }
    return FALSE;
}

/* Whether it leads to functions, of this file or others. */
static gboolean
has_callbacks(const PatchElf *elf, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(elf, number);
    const PatchElfSection *section = patch_elf_section(elf, item->section);

    for (guint i = patch_elf_first_reloc(section, item->offset); i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        PatchPlace place;

        if (reloc->offset >= item->offset + item->size)
            break;
        place = patch_elf_place(elf, reloc);
        if (place.kind == PATCH_PLACE_EXTERN ||
            (place.kind == PATCH_PLACE_ITEM && patch_elf_item(elf, place.index)->is_function))
            return TRUE;
    }
    return FALSE;
}

/* Code gives tables of callbacks to objects (as a file's operations), and others where one sees it do so; they go on using the one
 * that they have been given: those of before would keep the old one. */
static gboolean
is_given_away(const PatchDiff *diff, guint32 new_item)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    gint32 old_item = diff->pairing->old_of_new[new_item];

    return old_item >= 0 && patch_elf_item(old_elf, old_item)->size == patch_elf_item(new_elf, new_item)->size &&
           (has_callbacks(old_elf, old_item) || has_callbacks(new_elf, new_item) ||
            patch_item_leaves(old_elf, diff->old_entries, old_item) & PATCH_LEAVES_ADDRESS);
}

gboolean
patch_initial_goes_with_code(const PatchDiff *diff, guint32 new_item)
{
    const PatchElf *elf = diff->pairing->new_elf;
    const PatchElfItem *item = patch_elf_item(elf, new_item);

    return !(patch_elf_section(elf, item->section)->flags & SHF_WRITE) && item->symbol >= 0 && !is_given_away(diff, new_item) &&
           !patch_elf_symbol(elf, item->symbol)->is_global && !has_data_referrer(elf, new_item) &&
           !has_boot_referrer(elf, new_item);
}

/* ---- What of it differs ---- */

static gint32
reloc_at(const PatchElfSection *section, guint64 offset)
{
    guint i = patch_elf_first_reloc(section, offset);

    return i < section->relocs->len && g_array_index(section->relocs, PatchReloc, i).offset == offset ? (gint32) i : -1;
}

/* What a pointer leads to stays the same datum, whatever becomes of its content. */
static gboolean
leads_to_the_same(PatchDiff *diff, const PatchReloc *old_reloc, const PatchReloc *new_reloc)
{
    PatchPlace old_place = patch_elf_place(diff->pairing->old_elf, old_reloc);
    PatchPlace new_place = patch_elf_place(diff->pairing->new_elf, new_reloc);

    if (old_reloc->type != new_reloc->type)
        return FALSE;
    if (old_place.kind == PATCH_PLACE_ITEM && new_place.kind == PATCH_PLACE_ITEM &&
        diff->pairing->new_of_old[old_place.index] == (gint32) new_place.index)
        return old_place.offset == new_place.offset;
    return patch_compare_places(diff, &old_place, &new_place);
}

typedef struct {
    const PatchElfSection *section;
    guint64 start, size;
} Content;

static Content
content_of(const PatchElf *elf, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(elf, number);

    return (Content) { patch_elf_section(elf, item->section), item->offset, item->size };
}

/* Of each byte of a datum. */
enum { DIFFERS = 1, IN_REFERENCE = 2 };

/* Marks the fields of ONE that are none, or another one, in OTHER, whose bytes tell nothing then. */
static void
mark_fields(PatchDiff *diff, const Content *one, const Content *other, gboolean is_old, guint8 *marks)
{
    for (guint i = patch_elf_first_reloc(one->section, one->start); i < one->section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(one->section->relocs, PatchReloc, i);
        guint64 at = reloc->offset - one->start, width = patch_fixup_width(reloc->type);
        gint32 pair = reloc_at(other->section, other->start + at);
        const PatchReloc *its = pair >= 0 ? &g_array_index(other->section->relocs, PatchReloc, pair) : NULL;
        gboolean is_same = FALSE;

        if (at >= one->size)
            break;
        if (its)
            is_same = leads_to_the_same(diff, is_old ? reloc : its, is_old ? its : reloc);
        memset(marks + at, is_same ? IN_REFERENCE : IN_REFERENCE | DIFFERS, MIN(width, one->size - at));
    }
}

static gboolean
has_mark(const guint8 *marks, guint64 length, guint8 mark)
{
    for (guint64 i = 0; i < length; i++)
        if (marks[i] & mark)
            return TRUE;
    return FALSE;
}

/* Where a unit differs that no reference is in, all of it counts: numbers are not cut, and a small datum is one. */
static void
widen(guint64 size, guint8 *marks)
{
    guint64 unit = size <= sizeof(guint64) ? size : UNIT_BYTES;

    for (guint64 at = 0; at + unit <= size; at += unit)
        if (has_mark(marks + at, unit, DIFFERS) && !has_mark(marks + at, unit, IN_REFERENCE))
            memset(marks + at, DIFFERS, unit);
}

GArray *
patch_initial_stretches(PatchDiff *diff, guint32 old_item, guint32 new_item)
{
    Content was = content_of(diff->pairing->old_elf, old_item), is = content_of(diff->pairing->new_elf, new_item);
    GArray *stretches = g_array_new(FALSE, FALSE, sizeof(PatchStretch));
    g_autofree guint8 *marks = g_malloc0(was.size + 1);

    for (guint64 i = 0; i < was.size; i++)
        marks[i] = (was.section->data ? was.section->data[was.start + i] : 0) !=
                           (is.section->data ? is.section->data[is.start + i] : 0) ? DIFFERS : 0;
    mark_fields(diff, &is, &was, FALSE, marks);
    mark_fields(diff, &was, &is, TRUE, marks);
    if (was.size > 0 && (was.size <= sizeof(guint64) || was.size % UNIT_BYTES == 0))
        widen(was.size, marks);
    for (guint64 i = 0, start; i < was.size; i++) {
        for (start = i; i < was.size && marks[i] & DIFFERS;)
            i++;
        if (i > start)
            g_array_append_val(stretches, ((PatchStretch) { start, i - start }));
    }
    return stretches;
}

/* ---- Whether it may get its new value where it is ---- */

static gboolean
has_any_prefix(const char *name, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (g_str_has_prefix(name, *prefixes))
            return TRUE;
    return FALSE;
}

/* Sections that mean nothing but their bytes. */
static gboolean
is_plain(const PatchElfSection *section)
{
    static const char *const names[] = {
        ".rodata", ".data..read_mostly", ".data..ro_after_init", ".data..cacheline_aligned", ".data..page_aligned", NULL,
    };
    static const char *const families[] = { ".data", ".bss", NULL };
    static const char *const special[] = { ".data..", ".bss..", NULL };

    return has_any_prefix(section->name, names) ||
           (has_any_prefix(section->name, families) && !has_any_prefix(section->name, special));
}

static gboolean
is_read_only(const PatchElfSection *section)
{
    return !(section->flags & SHF_WRITE) || g_str_has_prefix(section->name, ".data..ro_after_init");
}

static gboolean
has_only_pointers(const PatchElf *elf, guint32 number, const GArray *stretches)
{
    Content content = content_of(elf, number);

    for (guint i = patch_elf_first_reloc(content.section, content.start); i < content.section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(content.section->relocs, PatchReloc, i);
        guint64 at = reloc->offset - content.start;

        if (at >= content.size)
            break;
        for (guint s = 0; s < stretches->len; s++) {
            const PatchStretch *stretch = &g_array_index(stretches, PatchStretch, s);

            if (at >= stretch->offset && at - stretch->offset < stretch->length && reloc->type != R_X86_64_64)
                return FALSE;
        }
    }
    return TRUE;
}

typedef enum { IS_NO_POINTER, IS_NULL, LEADS_SOMEWHERE, LEADS_TO_FUNCTION } Lead;

static gboolean
is_zero(const Content *content, guint64 at)
{
    static const guint8 zeros[sizeof(guint64)];

    return content->size - at >= sizeof zeros && patch_elf_first_reloc(content->section, content->start + at) ==
           patch_elf_first_reloc(content->section, content->start + at + sizeof zeros) &&
           (!content->section->data || memcmp(content->section->data + content->start + at, zeros, sizeof zeros) == 0);
}

static Lead
lead_at(const PatchElf *elf, guint32 number, guint64 at)
{
    Content content = content_of(elf, number);
    gint32 reloc = reloc_at(content.section, content.start + at);
    PatchPlace place;

    if (reloc < 0)
        return is_zero(&content, at) ? IS_NULL : IS_NO_POINTER;
    place = patch_elf_place(elf, &g_array_index(content.section->relocs, PatchReloc, reloc));
    return place.kind == PATCH_PLACE_ITEM && place.offset == 0 && patch_elf_item(elf, place.index)->is_function
               ? LEADS_TO_FUNCTION : LEADS_SOMEWHERE;
}

/* Whether the stretches are pointers to functions, or NULL in the place of one. Of a function in another file nothing tells
 * that it is one, but that it stands where one of this file does. */
static gboolean
exchanges_functions(const PatchDiff *diff, guint32 old_item, guint32 new_item, const GArray *stretches)
{
    for (guint i = 0; i < stretches->len; i++) {
        const PatchStretch *stretch = &g_array_index(stretches, PatchStretch, i);

        for (guint64 at = 0; at < stretch->length; at += sizeof(guint64)) {
            Lead was = lead_at(diff->pairing->old_elf, old_item, stretch->offset + at);
            Lead is = lead_at(diff->pairing->new_elf, new_item, stretch->offset + at);

            if (was == IS_NO_POINTER || is == IS_NO_POINTER || (was != LEADS_TO_FUNCTION && is != LEADS_TO_FUNCTION))
                return FALSE;
        }
    }
    return TRUE;
}

static char *
find_doubt(const PatchDiff *diff, guint32 old_item, guint32 new_item)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    const PatchElfItem *item = patch_elf_item(old_elf, old_item);

    if (is_read_only(section_of(old_elf, old_item)))
        return NULL;
    if (patch_elf_symbol(old_elf, item->symbol)->is_global)
        return g_strdup("the kernel may write it, and other files, which can have made something of it at boot, see it");
    if (has_boot_referrer(old_elf, old_item) || has_boot_referrer(new_elf, new_item))
        return g_strdup("the kernel may write it, and code that ran at boot, which can have made something of it, uses it");
    if (item->size > MAX_WRITABLE_BYTES)
        return g_strdup("it is too large to be looked at as a whole while the guest stands still");
    return NULL;
}

static void
consider(PatchDiff *diff, guint32 old_item, guint32 new_item)
{
    const PatchElf *old_elf = diff->pairing->old_elf, *new_elf = diff->pairing->new_elf;
    const PatchElfSection *old_section = section_of(old_elf, old_item), *new_section = section_of(new_elf, new_item);
    g_autoptr(GArray) stretches = NULL;
    PatchInitial initial = { old_item, new_item, FALSE, NULL };

    if (patch_elf_item(old_elf, old_item)->size != patch_elf_item(new_elf, new_item)->size ||
        !is_plain(old_section) || !is_plain(new_section) || is_read_only(old_section) != is_read_only(new_section))
        return;
    stretches = patch_initial_stretches(diff, old_item, new_item);
    if (stretches->len == 0 || patch_initial_goes_with_code(diff, new_item) ||
        !has_only_pointers(old_elf, old_item, stretches) || !has_only_pointers(new_elf, new_item, stretches))
        return;
    initial.is_exchange = old_section->flags & SHF_WRITE && exchanges_functions(diff, old_item, new_item, stretches);
    initial.doubt = initial.is_exchange ? NULL : find_doubt(diff, old_item, new_item);
    g_array_append_val(diff->initials, initial);
}

void
patch_initials_find(PatchDiff *diff)
{
    const PatchPairing *pairing = diff->pairing;

    for (guint32 i = 0; i < pairing->new_elf->items->len; i++)
        if (!patch_elf_item(pairing->new_elf, i)->is_function && pairing->old_of_new[i] >= 0)
            consider(diff, pairing->old_of_new[i], i);
    /* What was compared on the way did not know yet what will be changed in its place. */
    memset(diff->same, 0, pairing->old_elf->items->len + 1);
}
