/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf-meaning.h"

#include <dwarf.h>

#include "patcher/dwarf-type.h"

#define MAX_DEPTH 8
#define MAX_TEXT 512

typedef struct {
    GString *text;
    const char *enumeration;
} Meaning;

/* A type without what only says how it may be used, and by which names it went. */
typedef struct {
    Dwarf_Die type;
    const char *name;           /* the last typedef's; may be NULL */
    gboolean is_big_endian;
} Plain;

static gboolean
is_qualifier(int tag)
{
    return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type;
}

/* The type that DIE has; FALSE if that is void. */
static gboolean
make_plain(Dwarf_Die *die, Plain *plain)
{
    *plain = (Plain) { 0 };
    if (!patch_dwarf_type_of(die, &plain->type))
        return FALSE;
    for (guint i = 0; i < MAX_DEPTH * MAX_DEPTH; i++) {
        int tag = dwarf_tag(&plain->type);

        if (tag == DW_TAG_typedef) {
            plain->name = dwarf_diename(&plain->type);
            /* The kernel's names for numbers with the most significant byte first; the compiler knows no difference. */
            plain->is_big_endian |= plain->name && g_str_has_prefix(plain->name, "__be");
        } else if (!is_qualifier(tag)) {
            return TRUE;
        }
        if (!patch_dwarf_type_of(&plain->type, &plain->type))
            return FALSE;
    }
    return FALSE;
}

/* The only member of TYPE, if that is all there is in it. */
static gboolean
only_member(Dwarf_Die *type, Dwarf_Die *only)
{
    Dwarf_Die child, member;
    Dwarf_Word bytes;
    guint n = 0;

    if (dwarf_child(type, &child) != 0)
        return FALSE;
    do {
        if (dwarf_tag(&child) != DW_TAG_member)
            continue;
        *only = child;
        n++;
    } while (n < 2 && dwarf_siblingof(&child, &child) == 0);
    return n == 1 && !dwarf_hasattr(only, DW_AT_bit_size) && !dwarf_hasattr(only, DW_AT_data_bit_offset) &&
           patch_dwarf_type_of(only, &member) && dwarf_aggregate_size(&member, &bytes) == 0 &&
           bytes == patch_dwarf_number(type, DW_AT_byte_size, G_MAXUINT64);
}

gboolean
patch_dwarf_callback(Dwarf_Die *die, Dwarf_Die *function)
{
    Plain pointer, target;

    if (!make_plain(die, &pointer) || dwarf_tag(&pointer.type) != DW_TAG_pointer_type || !make_plain(&pointer.type, &target) ||
        dwarf_tag(&target.type) != DW_TAG_subroutine_type)
        return FALSE;
    *function = target.type;
    return TRUE;
}

static void append_meaning(Meaning *meaning, Dwarf_Die *die, gboolean is_pointed_to, guint depth);

static void
append_number(Meaning *meaning, Plain *plain, gboolean is_pointed_to)
{
    if (dwarf_tag(&plain->type) == DW_TAG_enumeration_type && !is_pointed_to)
        meaning->enumeration = dwarf_diename(&plain->type);
    g_string_append_printf(meaning->text, "%snumber of %" G_GUINT64_FORMAT " bytes", plain->is_big_endian ? "big-endian " : "",
                           patch_dwarf_number(&plain->type, DW_AT_byte_size, 0));
}

static void
append_array(Meaning *meaning, Dwarf_Die *array, gboolean is_pointed_to, guint depth)
{
    Dwarf_Die child;

    append_meaning(meaning, array, is_pointed_to, depth);
    if (dwarf_child(array, &child) != 0)
        return;
    do {
        guint64 count = patch_dwarf_number(&child, DW_AT_count, G_MAXUINT64);

        if (count == G_MAXUINT64)
            count = patch_dwarf_number(&child, DW_AT_upper_bound, G_MAXUINT64) + 1;
        if (dwarf_tag(&child) == DW_TAG_subrange_type && meaning->text->len <= MAX_TEXT)
            g_string_append_printf(meaning->text, "[%" G_GUINT64_FORMAT "]", count);
    } while (dwarf_siblingof(&child, &child) == 0);
}

/* Whether MEMBER's type has no name to go by, and more than one member. */
static gboolean
is_nameless(Dwarf_Die *member)
{
    Plain plain;
    Dwarf_Die only;
    int tag = make_plain(member, &plain) ? dwarf_tag(&plain.type) : 0;

    return (tag == DW_TAG_structure_type || tag == DW_TAG_union_type) && !dwarf_diename(&plain.type) && !plain.name &&
           !only_member(&plain.type, &only);
}

static void
append_structure(Meaning *meaning, Plain *plain, gboolean is_pointed_to, guint depth)
{
    const char *name = dwarf_diename(&plain->type);
    gboolean is_union = dwarf_tag(&plain->type) == DW_TAG_union_type;
    Dwarf_Die only;

    if (!is_pointed_to && only_member(&plain->type, &only) && !is_nameless(&only))
        append_meaning(meaning, &only, FALSE, depth);
    else if (name)
        g_string_append_printf(meaning->text, "%s %s", is_union ? "union" : "struct", name);
    else
        g_string_append_printf(meaning->text, "%s", plain->name ? plain->name : is_union ? "union" : "struct");
}

static void
append_meaning(Meaning *meaning, Dwarf_Die *die, gboolean is_pointed_to, guint depth)
{
    Plain plain;
    Dwarf_Die function;

    if (depth >= MAX_DEPTH || meaning->text->len > MAX_TEXT) {
        g_string_append(meaning->text, "...");
        return;
    }
    if (!make_plain(die, &plain)) {
        g_string_append(meaning->text, "void");
        return;
    }
    switch (dwarf_tag(&plain.type)) {
    case DW_TAG_base_type:
    case DW_TAG_enumeration_type:
        append_number(meaning, &plain, is_pointed_to);
        break;
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
        append_structure(meaning, &plain, is_pointed_to, depth + 1);
        break;
    case DW_TAG_array_type:
        append_array(meaning, &plain.type, is_pointed_to, depth + 1);
        break;
    case DW_TAG_pointer_type:
        if (patch_dwarf_callback(die, &function)) {
            g_string_append(meaning->text, "callback");
            break;
        }
        append_meaning(meaning, &plain.type, TRUE, depth + 1);
        g_string_append(meaning->text, " *");
        break;
    default:
        g_string_append(meaning->text, plain.name ? plain.name : "...");
        break;
    }
}

char *
patch_dwarf_meaning(Dwarf_Die *die, char **enumeration)
{
    Meaning meaning = { .text = g_string_new(NULL) };

    append_meaning(&meaning, die, FALSE, 0);
    *enumeration = g_strdup(meaning.enumeration);
    return g_string_free(meaning.text, FALSE);
}

gboolean
patch_dwarf_is_number(Dwarf_Die *die)
{
    Dwarf_Die inner = *die;
    Plain plain;

    for (guint i = 0; i < MAX_DEPTH && make_plain(&inner, &plain); i++) {
        int tag = dwarf_tag(&plain.type);

        if (tag != DW_TAG_structure_type || !only_member(&plain.type, &inner))
            return tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type;
    }
    return FALSE;
}

gboolean
patch_dwarf_is_plain_number(Dwarf_Die *die)
{
    Plain plain;
    int tag = make_plain(die, &plain) ? dwarf_tag(&plain.type) : 0;

    return tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type;
}

gboolean
patch_dwarf_is_constant(Dwarf_Die *die)
{
    Dwarf_Die type = *die;

    for (guint i = 0; i < MAX_DEPTH * MAX_DEPTH && patch_dwarf_type_of(&type, &type); i++) {
        int tag = dwarf_tag(&type);

        if (tag == DW_TAG_const_type)
            return TRUE;
        if (tag != DW_TAG_typedef && tag != DW_TAG_array_type && !is_qualifier(tag))
            return FALSE;
    }
    return FALSE;
}

gboolean
patch_dwarf_nameless_within(Dwarf_Die *die, Dwarf_Die *type)
{
    *type = *die;
    for (guint i = 0; i < MAX_DEPTH && patch_dwarf_type_of(type, type); i++) {
        int tag = dwarf_tag(type);

        if (tag == DW_TAG_structure_type || tag == DW_TAG_union_type)
            return !dwarf_diename(type);
        if (tag != DW_TAG_array_type && tag != DW_TAG_pointer_type && !is_qualifier(tag))
            return FALSE;
    }
    return FALSE;
}
