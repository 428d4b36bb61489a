/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/variable.h"

#include <dwarf.h>
#include <string.h>

#include "patcher/dwarf-file.h"
#include "patcher/dwarf-layout.h"
#include "patcher/dwarf-type.h"
#include "patcher/error.h"
#include "patcher/update.h"

#define MAX_DEPTH 32
#define MAX_DIES (8 * 1024 * 1024)
#define MAX_NUMBER_BYTES 8

/* The search for a variable's declaration. */
typedef struct {
    const char *name;
    guint64 size;
    guint n_dies, n_types;      /* looked at; different types found */
    Dwarf_Die type;             /* the first one */
    char *type_name;
} Search;

/* The way from a variable to the place that is meant. */
typedef struct {
    const PatchSetting *setting;
    PatchVariable *variable;
    Dwarf_Die type;             /* of what is at the place that was reached */
    guint64 offset;             /* bytes from the variable, or from where the last pointer leads to */
    GError **error;
} Way;

void
patch_variable_free(PatchVariable *variable)
{
    if (!variable)
        return;
    g_free(variable->type);
    g_array_unref(variable->offsets);
    g_free(variable);
}

static gboolean G_GNUC_PRINTF(2, 3)
refuse(const Way *way, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(way->error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: %s", way->setting->source, text);
    return FALSE;
}

static char *
name_of_type(Dwarf_Die *type)
{
    const char *name = dwarf_diename(type);

    return g_strdup(name ? name : "");
}

/* ---- The variable ---- */

static void
add_candidate(Search *search, Dwarf_Die *die)
{
    g_autofree char *name = NULL;
    Dwarf_Die type;

    if (!patch_dwarf_type_of(die, &type) || patch_dwarf_size(&type) != search->size)
        return;
    name = patch_dwarf_type_name(die);
    if (search->n_types == 0) {
        search->type = type;
        search->type_name = g_steal_pointer(&name);
        search->n_types = 1;
    } else if (!g_str_equal(search->type_name, name)) {
        search->n_types++;
    }
}

static void
search_children(Search *search, Dwarf_Die *die, guint depth)
{
    Dwarf_Die child;

    if (depth >= MAX_DEPTH || dwarf_child(die, &child) != 0)
        return;
    do {
        const char *name = dwarf_tag(&child) == DW_TAG_variable ? dwarf_diename(&child) : NULL;

        if (++search->n_dies > MAX_DIES)
            return;
        if (name && g_str_equal(name, search->name))
            add_candidate(search, &child);
        search_children(search, &child, depth + 1);
    } while (dwarf_siblingof(&child, &child) == 0);
}

/* The type of the variable NAME of SIZE bytes; returns how many different ones there are. */
static guint
find_type(const PatchDwarfFile *file, const char *name, guint64 size, Dwarf_Die *type)
{
    g_autofree char *plain = g_strndup(name, strcspn(name, "."));
    Search search = { .name = plain, .size = size };
    Dwarf_Off offset = 0, next;
    size_t header_bytes;

    while (dwarf_nextcu(file->dwarf, offset, &next, &header_bytes, NULL, NULL, NULL) == 0 && next > offset) {
        Dwarf_Die unit;

        if (dwarf_offdie(file->dwarf, offset + header_bytes, &unit))
            search_children(&search, &unit, 0);
        offset = next;
    }
    *type = search.type;
    g_free(search.type_name);
    return search.n_types;
}

static gboolean
find_variable(Way *way, const PatchDwarfFile *file, guint64 size)
{
    guint n_types = find_type(file, way->setting->variable, size, &way->type);

    if (n_types == 1)
        return TRUE;
    g_set_error(way->error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s: %s", way->setting->source,
                n_types == 0 ? "the object's debugging information does not tell the variable's type"
                             : "there are several variables of that name and size, of different types");
    return FALSE;
}

/* ---- From the variable to the place ---- */

/* A static key takes more than a write. */
static gboolean
check_structure(const Way *way, Dwarf_Die *type)
{
    const char *name = dwarf_diename(type);

    return !name || !g_str_has_prefix(name, "static_key") ||
           refuse(way, "it is a static key (struct %s): the kernel rewrites its code when one changes, which no write to its "
                  "memory does; it takes a hook that calls static_branch_enable() or static_branch_disable()", name);
}

static gboolean
go_to_member(Way *way, const char *name)
{
    g_autofree char *type_name = name_of_type(&way->type);
    Dwarf_Die member;
    guint64 bits, n_bits;

    if (way->variable->n_bits || !patch_dwarf_peel(&way->type) || !patch_dwarf_is_structure(&way->type))
        return refuse(way, "what stands before .%s is no structure", name);
    if (!check_structure(way, &way->type))
        return FALSE;
    if (dwarf_hasattr(&way->type, DW_AT_declaration))
        return refuse(way, "the file that defines the variable only declares %s, and does not know its members", type_name);
    if (!patch_dwarf_find_member(&way->type, name, &member, &bits))
        return refuse(way, "%s has no member %s", *type_name ? type_name : "the structure", name);
    n_bits = patch_dwarf_number(&member, DW_AT_bit_size, 0);
    if (!patch_dwarf_type_of(&member, &way->type))
        return refuse(way, "the type of %s is not known", name);
    way->offset += bits / 8;
    way->variable->bit = n_bits ? bits % 8 : 0;
    way->variable->n_bits = n_bits;
    return TRUE;
}

static gboolean
follow_pointer(Way *way, const char *name)
{
    guint64 offset = way->offset;

    if (way->variable->n_bits || !patch_dwarf_peel(&way->type) || dwarf_tag(&way->type) != DW_TAG_pointer_type)
        return refuse(way, "what stands before ->%s is no pointer", name);
    if (way->variable->offsets->len >= PATCH_MAX_POINTERS)
        return refuse(way, "it is behind more than %d pointers", PATCH_MAX_POINTERS);
    if (!patch_dwarf_type_of(&way->type, &way->type))
        return refuse(way, "what the pointer before ->%s leads to has no type", name);
    g_array_append_val(way->variable->offsets, offset);
    way->offset = 0;
    return go_to_member(way, name);
}

static gboolean
go_to_element(Way *way, guint64 index)
{
    Dwarf_Die element;
    guint64 n;

    if (way->variable->n_bits || !patch_dwarf_peel(&way->type) || dwarf_tag(&way->type) != DW_TAG_array_type)
        return refuse(way, "what stands before [%" G_GUINT64_FORMAT "] is no array", index);
    n = patch_dwarf_elements(&way->type);
    if (!patch_dwarf_type_of(&way->type, &element) || n == 0 || patch_dwarf_size(&element) == 0)
        return refuse(way, "the array before [%" G_GUINT64_FORMAT "] has several dimensions or no size; give +BYTES", index);
    if (index >= n)
        return refuse(way, "the array before [%" G_GUINT64_FORMAT "] has %" G_GUINT64_FORMAT " elements", index, n);
    way->offset += index * patch_dwarf_size(&element);
    way->type = element;
    return TRUE;
}

/* To the number or pointer that begins so many bytes from here. */
static gboolean
go_to_bytes(Way *way, guint64 bytes)
{
    guint64 left = bytes;

    for (guint depth = 0; depth < MAX_DEPTH && patch_dwarf_peel(&way->type); depth++) {
        int tag = dwarf_tag(&way->type);
        Dwarf_Die element;

        if (tag == DW_TAG_array_type && patch_dwarf_type_of(&way->type, &element) && patch_dwarf_size(&element)) {
            guint64 whole = patch_dwarf_size(&way->type), n = patch_dwarf_elements(&way->type);
            guint64 count = whole / patch_dwarf_size(&element);

            if (left >= whole || (n && count != n))
                break;
            left %= patch_dwarf_size(&element);
            way->type = element;
        } else if (patch_dwarf_is_structure(&way->type)) {
            if (!check_structure(way, &way->type))
                return FALSE;
            if (!patch_dwarf_member_at(&way->type, &left, NULL))
                break;
        } else {
            way->offset += bytes;
            return left == 0 || refuse(way, "no member begins at +%" G_GUINT64_FORMAT, bytes);
        }
    }
    return refuse(way, "there is no member at +%" G_GUINT64_FORMAT, bytes);
}

static gboolean
take_step(Way *way, const PatchSettingStep *step)
{
    switch (step->kind) {
    case PATCH_AT_MEMBER:
        return go_to_member(way, step->name);
    case PATCH_AT_POINTER:
        return follow_pointer(way, step->name);
    case PATCH_AT_INDEX:
        return go_to_element(way, step->number);
    case PATCH_AT_BYTES:
    default:
        return go_to_bytes(way, step->number);
    }
}

/* ---- The type ---- */

static PatchTypeKind
kind_of_base(Dwarf_Die *type)
{
    switch (patch_dwarf_number(type, DW_AT_encoding, 0)) {
    case DW_ATE_boolean:
        return PATCH_TYPE_BOOL;
    case DW_ATE_signed:
    case DW_ATE_signed_char:
        return PATCH_TYPE_SIGNED;
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char:
        return PATCH_TYPE_NUMBER;
    default:
        return PATCH_TYPE_OTHER;
    }
}

static gboolean
is_char(Dwarf_Die *type)
{
    guint64 encoding = patch_dwarf_peel(type) ? patch_dwarf_number(type, DW_AT_encoding, 0) : 0;

    return dwarf_tag(type) == DW_TAG_base_type && patch_dwarf_size(type) == 1 &&
           (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char);
}

static gboolean
is_text(Dwarf_Die *array)
{
    Dwarf_Die element;

    return patch_dwarf_type_of(array, &element) && is_char(&element);
}

static PatchTypeKind
kind_of(Dwarf_Die *type)
{
    switch (dwarf_tag(type)) {
    case DW_TAG_base_type:
        return kind_of_base(type);
    case DW_TAG_enumeration_type:
        return PATCH_TYPE_NUMBER;
    case DW_TAG_pointer_type:
        return PATCH_TYPE_POINTER;
    case DW_TAG_array_type:
        return is_text(type) ? PATCH_TYPE_TEXT : PATCH_TYPE_OTHER;
    default:
        return PATCH_TYPE_OTHER;
    }
}

static gboolean
finish(Way *way)
{
    PatchVariable *variable = way->variable;

    if (!patch_dwarf_peel(&way->type))
        return refuse(way, "its type is not known");
    if (!check_structure(way, &way->type))
        return FALSE;
    variable->type = name_of_type(&way->type);
    variable->kind = kind_of(&way->type);
    variable->size = variable->n_bits ? (variable->bit + variable->n_bits + 7) / 8 : patch_dwarf_size(&way->type);
    g_array_append_val(variable->offsets, way->offset);
    if (variable->kind == PATCH_TYPE_OTHER || !variable->size ||
        (variable->kind != PATCH_TYPE_TEXT && variable->size > MAX_NUMBER_BYTES))
        return refuse(way, "it is no number, truth value, pointer or array of char; name one of its members");
    return TRUE;
}

PatchVariable *
patch_variable_find(const PatchElf *elf, const PatchSetting *setting, guint64 size, GError **error)
{
    g_autoptr(PatchVariable) variable = g_new0(PatchVariable, 1);
    g_auto(PatchDwarfFile) file = { 0 };
    Way way = { .setting = setting, .variable = variable, .error = error };

    variable->offsets = g_array_new(FALSE, FALSE, sizeof(guint64));
    if (!patch_dwarf_open(&file, elf)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "%s: the object has no debugging information that tells types (CONFIG_DEBUG_INFO)", setting->source);
        return NULL;
    }
    if (!find_variable(&way, &file, size))
        return NULL;
    for (guint i = 0; i < setting->steps->len; i++)
        if (!take_step(&way, &g_array_index(setting->steps, PatchSettingStep, i)))
            return NULL;
    return finish(&way) ? g_steal_pointer(&variable) : NULL;
}

/* Adds the step from *TYPE to what *OFFSET is in; FALSE if there is none. */
static gboolean
append_step(GString *text, Dwarf_Die *type, guint64 *offset)
{
    const char *name = NULL;
    Dwarf_Die element;
    guint64 bytes;

    if (!patch_dwarf_peel(type))
        return FALSE;
    if (patch_dwarf_is_structure(type)) {
        if (!patch_dwarf_member_at(type, offset, &name))
            return FALSE;
        if (name)
            g_string_append_printf(text, ".%s", name);
        return TRUE;
    }
    if (dwarf_tag(type) != DW_TAG_array_type || !patch_dwarf_elements(type) || !patch_dwarf_type_of(type, &element) ||
        is_text(type))
        return FALSE;
    bytes = patch_dwarf_size(&element);
    if (!bytes)
        return FALSE;
    g_string_append_printf(text, "[%" G_GUINT64_FORMAT "]", *offset / bytes);
    *offset %= bytes;
    *type = element;
    return TRUE;
}

char *
patch_variable_name_at(const PatchElf *elf, const char *name, guint64 size, guint64 offset)
{
    g_auto(PatchDwarfFile) file = { 0 };
    GString *text = g_string_new(name);
    guint64 left = offset;
    Dwarf_Die type;

    if (patch_dwarf_open(&file, elf) && find_type(&file, name, size, &type) == 1)
        for (guint depth = 0; depth < MAX_DEPTH && append_step(text, &type, &left);)
            depth++;
    if (left)
        g_string_append_printf(text, "+%#" G_GINT64_MODIFIER "x", left);
    return g_string_free(text, FALSE);
}
