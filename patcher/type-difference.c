/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/type-difference.h"

#include <string.h>

#include "patcher/cmacros.h"

static void G_GNUC_PRINTF(2, 3)
tell(GPtrArray *list, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(list, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

char *
patch_type_difference_text(const PatchTypeDifference *difference)
{
    GString *text = g_string_new(NULL);
    guint n = difference->changed->len + difference->moved->len;

    for (guint i = 0; i < n && i < PATCH_MAX_MEMBERS_NAMED; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               (const char *) (i < difference->changed->len
                                                   ? difference->changed->pdata[i]
                                                   : difference->moved->pdata[i - difference->changed->len]));
    if (n > PATCH_MAX_MEMBERS_NAMED)
        g_string_append_printf(text, ", and %u more", n - PATCH_MAX_MEMBERS_NAMED);
    return g_string_free(text, FALSE);
}

/* "12", or "12.3" for the third bit of byte 12. */
static char *
place(guint64 bits)
{
    return bits % 8 ? g_strdup_printf("%" G_GUINT64_FORMAT ".%u", bits / 8, (guint) (bits % 8))
                    : g_strdup_printf("%" G_GUINT64_FORMAT, bits / 8);
}

/* Whether the bits mean the same, whatever the type is called. What a callback takes and returns is a matter of code. */
static gboolean
holds_the_same(const PatchMember *old_member, const PatchMember *new_member)
{
    return g_str_equal(old_member->meaning, new_member->meaning) &&
           (!old_member->enumeration || !new_member->enumeration ||
            g_str_equal(old_member->enumeration, new_member->enumeration));
}

/* How much of NAME is that of the member within which it is. */
static gsize
prefix_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? (gsize) (dot - name) : 0;
}

/* Whether MEMBER, which is new, is another name of one that stays where it is. */
static gboolean
is_another_name(const PatchStruct *old_type, const PatchStruct *new_type, const PatchMember *member)
{
    gsize length = prefix_length(member->name);

    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *other = old_type->members->pdata[i];
        const PatchMember *now = other->offset == member->offset && other->size == member->size && holds_the_same(other, member)
                                     ? patch_struct_member(new_type, other->name) : NULL;

        if (now && now->offset == member->offset && length == prefix_length(other->name) &&
            strncmp(member->name, other->name, length) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
tell_gone(PatchTypeDifference *difference, const PatchMember *member)
{
    g_autofree char *from = place(member->offset);

    tell(difference->changed, "member %s (at byte %s) is gone", member->name, from);
}

static void
compare_member(PatchTypeDifference *difference, const PatchMember *old_member, const PatchMember *new_member)
{
    g_autofree char *from = place(old_member->offset), *to = NULL;

    if (!new_member) {
        if (old_member->is_number)
            g_ptr_array_add(difference->gone, (gpointer) old_member);
        else
            tell_gone(difference, old_member);
        return;
    }
    to = place(new_member->offset);
    if (!holds_the_same(old_member, new_member))
        tell(difference->changed, "member %s is now %s, was %s", old_member->name, new_member->type, old_member->type);
    if (old_member->size != new_member->size)
        tell(difference->moved, "member %s grows or shrinks from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes",
             old_member->name, old_member->size / 8, new_member->size / 8);
    if (old_member->offset != new_member->offset)
        tell(difference->moved, "member %s moves from byte %s to %s", old_member->name, from, to);
}

static void
compare_members(PatchTypeDifference *difference, const PatchStruct *old_type, const PatchStruct *new_type)
{
    for (guint i = 0; i < new_type->members->len; i++) {
        const PatchMember *member = new_type->members->pdata[i];
        g_autofree char *at = place(member->offset);

        if (patch_struct_member(old_type, member->name) || is_another_name(old_type, new_type, member))
            continue;
        tell(difference->changed, "member %s (%s, at byte %s) is new", member->name, member->type, at);
    }
    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *member = old_type->members->pdata[i];

        compare_member(difference, member, patch_struct_member(new_type, member->name));
    }
    if (old_type->size != new_type->size)
        tell(difference->moved, "its size goes from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes", old_type->size,
             new_type->size);
    for (guint i = 0; difference->changed->len + difference->moved->len > 0 && i < difference->gone->len; i++)
        tell_gone(difference, difference->gone->pdata[i]);
}

/* What else than CONSTANT, which is gone, has its value now; NULL if nothing has, or something had it already. */
static const PatchMember *
in_its_place(const PatchStruct *old_type, const PatchStruct *new_type, const PatchMember *constant)
{
    for (guint i = 0; i < new_type->members->len; i++) {
        const PatchMember *member = new_type->members->pdata[i];

        if (member->offset == constant->offset)
            return patch_struct_member(old_type, member->name) ? NULL : member;
    }
    return NULL;
}

static void
compare_constant(PatchTypeDifference *difference, const PatchStruct *old_type, const PatchStruct *new_type,
                 const PatchMember *constant)
{
    const PatchMember *now = patch_struct_member(new_type, constant->name);
    const PatchMember *other = now ? NULL : in_its_place(old_type, new_type, constant);

    if (now && now->offset != constant->offset)
        tell(difference->changed, "%s goes from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, constant->name,
             (gint64) constant->offset, (gint64) now->offset);
    else if (other)
        tell(difference->changed, "%s is gone, and %s has its value %" G_GINT64_FORMAT, constant->name, other->name,
             (gint64) constant->offset);
}

static void
compare_constants(PatchTypeDifference *difference, const PatchStruct *old_type, const PatchStruct *new_type)
{
    for (guint i = 0; i < old_type->members->len; i++) {
        const PatchMember *constant = old_type->members->pdata[i], *now = patch_struct_member(new_type, constant->name);

        if (i + 1 < old_type->members->len || !patch_counts_by_name(constant->name))
            compare_constant(difference, old_type, new_type, constant);
        else if (now && now->offset != constant->offset)
            difference->count = constant;
    }
}

void
patch_type_difference_init(PatchTypeDifference *difference, const PatchStruct *old_type, const PatchStruct *new_type)
{
    difference->changed = g_ptr_array_new_with_free_func(g_free);
    difference->moved = g_ptr_array_new_with_free_func(g_free);
    difference->gone = g_ptr_array_new();
    difference->count = NULL;
    if (old_type->is_enum)
        compare_constants(difference, old_type, new_type);
    else
        compare_members(difference, old_type, new_type);
}

void
patch_type_difference_clear(PatchTypeDifference *difference)
{
    g_ptr_array_unref(difference->changed);
    g_ptr_array_unref(difference->moved);
    g_ptr_array_unref(difference->gone);
}
