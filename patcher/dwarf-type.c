/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/dwarf-type.h"

#include <dwarf.h>

#define MAX_DEPTH 8
#define MAX_MEMBERS 65536
#define MAX_TYPE_NAME 512

static void
member_free(PatchMember *member)
{
    g_free(member->name);
    g_free(member->type);
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

static gboolean is_number(Dwarf_Die *die, guint depth);

/* Whether the structure TYPE is a name for a number, as atomic_t and refcount_t are. */
static gboolean
wraps_number(Dwarf_Die *type, guint depth)
{
    Dwarf_Die member, next;

    return depth < MAX_DEPTH && dwarf_child(type, &member) == 0 && dwarf_tag(&member) == DW_TAG_member &&
           dwarf_siblingof(&member, &next) != 0 && !dwarf_hasattr(&member, DW_AT_bit_size) && is_number(&member, depth + 1);
}

/* Whether DIE's type is an integer, a truth value or an enumeration behind all typedefs. */
static gboolean
is_number(Dwarf_Die *die, guint depth)
{
    Dwarf_Die type;
    int tag;

    if (!patch_dwarf_type_of(die, &type) || dwarf_peel_type(&type, &type) != 0)
        return FALSE;
    tag = dwarf_tag(&type);
    return tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type ||
           (tag == DW_TAG_structure_type && wraps_number(&type, depth));
}

static gboolean
is_callback(Dwarf_Die *die)
{
    Dwarf_Die type, target;

    return patch_dwarf_type_of(die, &type) && dwarf_peel_type(&type, &type) == 0 &&
           dwarf_tag(&type) == DW_TAG_pointer_type && patch_dwarf_type_of(&type, &target) && dwarf_peel_type(&target, &target) == 0 &&
           dwarf_tag(&target) == DW_TAG_subroutine_type;
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

char *
patch_type_unqualified(const char *type)
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
    g_autofree char *name = patch_dwarf_type_name(die), *plain = patch_type_unqualified(name);
    guint64 bytes = member_bytes(die);
    Dwarf_Die type;

    if (!is_number(die, 0)) {
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

static void add_members(PatchStruct *into, Dwarf_Die *type, guint64 base, guint depth);

static void
add_member(PatchStruct *into, Dwarf_Die *die, guint64 base, guint depth)
{
    guint64 bits = patch_dwarf_number(die, DW_AT_bit_size, 0);
    gboolean is_field = bits != 0;
    const char *name = dwarf_diename(die);
    PatchMember *member;
    Dwarf_Die type;

    if (!is_field)
        bits = member_bytes(die) * 8;
    base += patch_dwarf_member_offset(die, bits, is_field);
    if (!name) {
        if (!is_field && patch_dwarf_type_of(die, &type) && depth < MAX_DEPTH)
            add_members(into, &type, base, depth + 1);
        return;
    }
    member = g_new0(PatchMember, 1);
    *member = (PatchMember) {
        .name = g_strdup(name), .type = patch_dwarf_type_name(die), .is_number = is_number(die, 0),
        .is_callback = is_callback(die), .offset = base, .size = bits,
    };
    g_ptr_array_add(into->members, member);
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
    *member = (PatchMember) { .name = g_strdup(name), .type = g_strdup(""), .offset = value };
    g_ptr_array_add(into->members, member);
}

static void
add_members(PatchStruct *into, Dwarf_Die *type, guint64 base, guint depth)
{
    Dwarf_Die child;

    if (dwarf_child(type, &child) != 0)
        return;
    do {
        if (into->members->len >= MAX_MEMBERS)
            return;
        if (dwarf_tag(&child) == DW_TAG_member)
            add_member(into, &child, base, depth);
        else if (dwarf_tag(&child) == DW_TAG_enumerator)
            add_constant(into, &child);
    } while (dwarf_siblingof(&child, &child) == 0);
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
    type->is_enum = dwarf_tag(die) == DW_TAG_enumeration_type;
    type->members = g_ptr_array_new_with_free_func((GDestroyNotify) member_free);
    add_members(type, die, 0, 0);
    return type;
}
