/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf-type.h"

#include <dwarf.h>
#include <string.h>

#include "patcher/dwarf-meaning.h"

#define MAX_DEPTH 8
#define MAX_MEMBERS 65536
#define MAX_TYPE_NAME 512

static void
member_free(PatchMember *member)
{
    g_free(member->name);
    g_free(member->type);
    g_free(member->meaning);
    g_free(member->enumeration);
    g_free(member->passed);
    g_free(member);
}

void
patch_struct_free(PatchStruct *type)
{
    if (!type)
        return;
    g_free(type->name);
    g_ptr_array_unref(type->members);
    g_free(type);
}

const PatchMember *
patch_struct_member(const PatchStruct *type, const char *name)
{
    for (guint i = 0; i < type->members->len; i++) {
        const PatchMember *member = type->members->pdata[i];

        if (g_str_equal(member->name, name))
            return member;
    }
    return NULL;
}

gboolean
patch_dwarf_type_of(Dwarf_Die *die, Dwarf_Die *type)
{
    Dwarf_Attribute attribute;

    return dwarf_attr_integrate(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, type);
}

guint64
patch_dwarf_number(Dwarf_Die *die, guint name, guint64 otherwise)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;

    return dwarf_attr_integrate(die, name, &attribute) && dwarf_formudata(&attribute, &value) == 0 ? value : otherwise;
}

static void append_type(GString *text, Dwarf_Die *die, guint depth);

static void
append_parameters(GString *text, Dwarf_Die *function, guint depth)
{
    Dwarf_Die child;
    gboolean is_first = TRUE;

    g_string_append(text, "(");
    if (dwarf_child(function, &child) == 0)
        do {
            int tag = dwarf_tag(&child);

            if ((tag != DW_TAG_formal_parameter && tag != DW_TAG_unspecified_parameters) || text->len > MAX_TYPE_NAME)
                continue;
            g_string_append(text, is_first ? "" : ", ");
            is_first = FALSE;
            if (tag == DW_TAG_formal_parameter)
                append_type(text, &child, depth);
            else
                g_string_append(text, "...");
        } while (dwarf_siblingof(&child, &child) == 0);
    g_string_append(text, is_first ? "void)" : ")");
}

static void
append_array(GString *text, Dwarf_Die *array, guint depth)
{
    Dwarf_Die child;

    append_type(text, array, depth);
    if (dwarf_child(array, &child) != 0)
        return;
    do {
        guint64 count = patch_dwarf_number(&child, DW_AT_count, G_MAXUINT64);
        guint64 last = patch_dwarf_number(&child, DW_AT_upper_bound, G_MAXUINT64);

        if (dwarf_tag(&child) != DW_TAG_subrange_type || text->len > MAX_TYPE_NAME)
            continue;
        if (count == G_MAXUINT64 && last == G_MAXUINT64)
            g_string_append(text, "[]");
        else
            g_string_append_printf(text, "[%" G_GUINT64_FORMAT "]", count == G_MAXUINT64 ? last + 1 : count);
    } while (dwarf_siblingof(&child, &child) == 0);
}

static const char *
keyword(int tag)
{
    switch (tag) {
    case DW_TAG_structure_type:
        return "struct ";
    case DW_TAG_union_type:
        return "union ";
    case DW_TAG_enumeration_type:
        return "enum ";
    case DW_TAG_const_type:
        return "const ";
    case DW_TAG_volatile_type:
        return "volatile ";
    default:
        return "";
    }
}

/* The type that DIE has. */
static void
append_type(GString *text, Dwarf_Die *die, guint depth)
{
    Dwarf_Die type;
    const char *name;
    int tag;

    if (!patch_dwarf_type_of(die, &type)) {
        g_string_append(text, "void");
        return;
    }
    tag = dwarf_tag(&type);
    name = dwarf_diename(&type);
    if (depth >= MAX_DEPTH || text->len > MAX_TYPE_NAME) {
        g_string_append(text, "...");
    } else if (tag == DW_TAG_pointer_type) {
        append_type(text, &type, depth + 1);
        g_string_append(text, " *");
    } else if (tag == DW_TAG_array_type) {
        append_array(text, &type, depth + 1);
    } else if (tag == DW_TAG_subroutine_type) {
        append_type(text, &type, depth + 1);
        g_string_append(text, " ");
        append_parameters(text, &type, depth + 1);
    } else if (tag == DW_TAG_const_type || tag == DW_TAG_volatile_type) {
        g_string_append(text, keyword(tag));
        append_type(text, &type, depth + 1);
    } else {
        g_string_append_printf(text, "%s%s", keyword(tag), name ? name : "{}");
    }
}

char *
patch_dwarf_type_name(Dwarf_Die *die)
{
    GString *text = g_string_new(NULL);

    append_type(text, die, 0);
    return g_string_free(text, FALSE);
}

char *
patch_dwarf_signature(Dwarf_Die *die)
{
    GString *text = g_string_new(NULL);

    append_type(text, die, 0);
    g_string_append(text, " ");
    append_parameters(text, die, 0);
    return g_string_free(text, FALSE);
}

/* TYPE without what only says how it may be used; to be freed. */
static char *
unqualified(const char *type)
{
    g_autoptr(GString) plain = g_string_new(type);

    g_string_replace(plain, "const ", "", 0);
    g_string_replace(plain, "volatile ", "", 0);
    return g_string_free(g_steal_pointer(&plain), FALSE);
}

static guint64
member_bytes(Dwarf_Die *member)
{
    Dwarf_Die type;
    Dwarf_Word size;

    return patch_dwarf_type_of(member, &type) && dwarf_aggregate_size(&type, &size) == 0 && size < G_MAXUINT32 ? size
                                                                                                               : 0;
}

/* A number goes by its size, and where it is extended to a register by its kind. */
static void
append_passed(GString *text, Dwarf_Die *die)
{
    g_autofree char *name = patch_dwarf_type_name(die), *plain = unqualified(name);
    guint64 bytes = member_bytes(die);
    Dwarf_Die type;

    if (!patch_dwarf_is_number(die)) {
        g_string_append_printf(text, "%s,", plain);
        return;
    }
    g_string_append_printf(text, "%" G_GUINT64_FORMAT, bytes);
    if (bytes < sizeof(guint32) && patch_dwarf_type_of(die, &type) && dwarf_peel_type(&type, &type) == 0)
        g_string_append_printf(text, "/%" G_GUINT64_FORMAT, patch_dwarf_number(&type, DW_AT_encoding, 0));
    g_string_append(text, ",");
}

char *
patch_dwarf_passed(Dwarf_Die *die)
{
    GString *text = g_string_new(NULL);
    Dwarf_Die child;

    append_passed(text, die);
    if (dwarf_child(die, &child) == 0)
        do {
            if (dwarf_tag(&child) == DW_TAG_formal_parameter)
                append_passed(text, &child);
            else if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
                g_string_append(text, "...");
        } while (text->len < MAX_TYPE_NAME && dwarf_siblingof(&child, &child) == 0);
    return g_string_free(text, FALSE);
}

guint64
patch_dwarf_member_offset(Dwarf_Die *member, guint64 bits, gboolean is_field)
{
    Dwarf_Attribute attribute;
    Dwarf_Op *ops;
    size_t n;
    guint64 bytes = patch_dwarf_number(member, DW_AT_data_member_location, G_MAXUINT64);
    guint64 from_top = patch_dwarf_number(member, DW_AT_bit_offset, G_MAXUINT64);

    if (bytes == G_MAXUINT64) {
        bytes = 0;
        if (dwarf_attr(member, DW_AT_data_member_location, &attribute) &&
            dwarf_getlocation(&attribute, &ops, &n) == 0 && n == 1 && ops[0].atom == DW_OP_plus_uconst)
            bytes = ops[0].number;
    }
    if (is_field && from_top != G_MAXUINT64)    /* DWARF 2 and 3 count from the most significant bit of the unit */
        return bytes * 8 + patch_dwarf_number(member, DW_AT_byte_size, member_bytes(member)) * 8 - from_top - bits;
    return bytes * 8 + patch_dwarf_number(member, DW_AT_data_bit_offset, 0);
}

static void add_members(PatchStruct *into, Dwarf_Die *type, const char *prefix, guint64 base, guint depth);

static void
append_member(PatchStruct *into, Dwarf_Die *die, char *name, guint64 offset, guint64 bits)
{
    PatchMember *member = g_new0(PatchMember, 1);
    g_autofree char *meaning = NULL;
    Dwarf_Die function;

    *member = (PatchMember) {
        .name = name, .type = patch_dwarf_type_name(die), .is_number = patch_dwarf_is_plain_number(die), .offset = offset,
        .size = bits,
    };
    meaning = patch_dwarf_meaning(die, &member->enumeration);
    member->meaning = dwarf_hasattr(die, DW_AT_bit_size) ? g_strdup("number") : g_steal_pointer(&meaning);
    member->passed = patch_dwarf_callback(die, &function) ? patch_dwarf_passed(&function) : NULL;
    g_ptr_array_add(into->members, member);
}

/* A structure without any name is told of by nothing else. */
static void
add_within(PatchStruct *into, Dwarf_Die *die, const char *name, guint depth)
{
    g_autofree char *prefix = g_strconcat(name, ".", NULL);
    Dwarf_Die type;

    if (depth < MAX_DEPTH && patch_dwarf_nameless_within(die, &type))
        add_members(into, &type, prefix, 0, depth + 1);
}

static void
add_member(PatchStruct *into, Dwarf_Die *die, const char *prefix, guint64 base, guint depth)
{
    guint64 bits = patch_dwarf_number(die, DW_AT_bit_size, 0);
    gboolean is_field = bits != 0;
    const char *name = dwarf_diename(die);
    char *full;
    Dwarf_Die type;

    if (!is_field)
        bits = member_bytes(die) * 8;
    base += patch_dwarf_member_offset(die, bits, is_field);
    if (!name) {
        if (!is_field && patch_dwarf_type_of(die, &type) && depth < MAX_DEPTH)
            add_members(into, &type, prefix, base, depth + 1);
        return;
    }
    full = g_strconcat(prefix, name, NULL);
    append_member(into, die, full, base, bits);
    add_within(into, die, full, depth);
}

static void
add_constant(PatchStruct *into, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Sword value;
    PatchMember *member;
    const char *name = dwarf_diename(die);

    if (!name || !dwarf_attr(die, DW_AT_const_value, &attribute) || dwarf_formsdata(&attribute, &value) != 0)
        return;
    member = g_new0(PatchMember, 1);
    *member = (PatchMember) { .name = g_strdup(name), .type = g_strdup(""), .meaning = g_strdup(""), .offset = value };
    g_ptr_array_add(into->members, member);
}

static void
add_members(PatchStruct *into, Dwarf_Die *type, const char *prefix, guint64 base, guint depth)
{
    Dwarf_Die child;

    if (dwarf_child(type, &child) != 0)
        return;
    do {
        if (into->members->len >= MAX_MEMBERS)
            return;
        if (dwarf_tag(&child) == DW_TAG_member)
            add_member(into, &child, prefix, base, depth);
        else if (dwarf_tag(&child) == DW_TAG_enumerator)
            add_constant(into, &child);
    } while (dwarf_siblingof(&child, &child) == 0);
}

static gboolean
is_public(Dwarf_Die *die)
{
    const char *file = dwarf_decl_file(die);

    return file && (g_str_has_prefix(file, "include/") || strstr(file, "/include/"));
}

PatchStruct *
patch_dwarf_struct(Dwarf_Die *die, const char *name)
{
    PatchStruct *type;

    if (dwarf_hasattr(die, DW_AT_declaration))
        return NULL;
    type = g_new0(PatchStruct, 1);
    type->name = g_strdup(name);
    type->size = patch_dwarf_number(die, DW_AT_byte_size, 0);
    type->is_public = is_public(die);
    type->is_enum = dwarf_tag(die) == DW_TAG_enumeration_type;
    type->members = g_ptr_array_new_with_free_func((GDestroyNotify) member_free);
    add_members(type, die, "", 0, 0);
    return type;
}

PatchStruct *
patch_dwarf_variable(Dwarf_Die *die, const char *name)
{
    PatchStruct *variable = g_new0(PatchStruct, 1);
    char *full = g_strdup(name);

    variable->name = g_strdup(name);
    variable->size = member_bytes(die);
    variable->members = g_ptr_array_new_with_free_func((GDestroyNotify) member_free);
    append_member(variable, die, full, 0, variable->size * 8);
    add_within(variable, die, full, 0);
    return variable;
}
