/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the members of structures are, and of what size: that part of btf.h. */
#include <string.h>

#include "introspect/btf-private.h"

#define MAX_DIMENSIONS      8
#define MAX_NESTING         16          /* anonymous members in anonymous members */

/* A search for one member name through anonymous members. */
typedef struct {
    const IntroBtf *btf;
    const char *name;
    guint steps;
    guint32 type;                   /* of what was found */
    guint64 offset_bits;            /* of what was found, from the struct searched */
    guint32 field_bits;             /* width of a bit field, else 0 */
} MemberSearch;

static gboolean
fail_no_composite(const char *name, GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the kernel's BTF has no struct or union %s", name);
    return FALSE;
}

static gboolean search_member(MemberSearch *search, const IntroBtfType *composite, guint64 base_bits, guint depth);

/* The anonymous member of type ID at BASE_BITS, if it is a struct or union at all. */
static gboolean
search_anonymous(MemberSearch *search, guint32 id, guint64 base_bits, guint depth)
{
    IntroBtfType type;

    return intro_btf_resolve(search->btf, id, &type) && intro_btf_is_composite(&type)
           && search_member(search, &type, base_bits, depth + 1);
}

static gboolean
search_member(MemberSearch *search, const IntroBtfType *composite, guint64 base_bits, guint depth)
{
    IntroCursor cursor = composite->tail;

    if (depth > MAX_NESTING)
        return FALSE;
    for (guint i = 0; i < composite->n_items; i++) {
        guint32 name, type, offset;
        guint64 offset_bits;
        const char *member;

        if (search->steps++ >= INTRO_BTF_MAX_STEPS || !intro_cursor_u32(&cursor, &name)
            || !intro_cursor_u32(&cursor, &type) || !intro_cursor_u32(&cursor, &offset))
            return FALSE;
        offset_bits = base_bits + (composite->kind_flag ? offset & 0xffffff : offset);
        member = intro_btf_string(search->btf, name);
        if (strcmp(member, search->name) == 0) {
            search->type = type;
            search->offset_bits = offset_bits;
            search->field_bits = composite->kind_flag ? offset >> 24 : 0;
            return TRUE;
        }
        if (*member == '\0' && search_anonymous(search, type, offset_bits, depth))
            return TRUE;
    }
    return FALSE;
}

/* Before kind_flag a bit field was an INT with a width, and perhaps an offset, of its own. */
static gboolean
measure_int(const IntroBtfType *type, IntroMember *member)
{
    IntroCursor cursor = type->tail;
    guint32 encoding;

    if (!intro_cursor_u32(&cursor, &encoding))
        return FALSE;
    member->offset_bits += (encoding >> 16) & 0xff;
    member->size_bits = encoding & 0xff;
    return TRUE;
}

static gboolean
measure_array(const IntroBtf *btf, IntroBtfType *type, IntroMember *member)
{
    for (guint i = 0; i < MAX_DIMENSIONS && type->kind == INTRO_BTF_ARRAY; i++) {
        IntroCursor cursor = type->tail;
        guint32 element, index, n;

        if (!intro_cursor_u32(&cursor, &element) || !intro_cursor_u32(&cursor, &index)
            || !intro_cursor_u32(&cursor, &n) || !g_uint_checked_mul(&member->n_elements, member->n_elements, n)
            || !intro_btf_resolve(btf, element, type))
            return FALSE;
    }
    return type->kind != INTRO_BTF_ARRAY;
}

/* Fills in the size and number of elements of a member of type ID; its offset is already there. */
static gboolean
measure(const IntroBtf *btf, guint32 id, IntroMember *member)
{
    IntroBtfType type;

    member->n_elements = 1;
    if (!intro_btf_resolve(btf, id, &type) || !measure_array(btf, &type, member))
        return FALSE;
    switch (type.kind) {
    case INTRO_BTF_PTR:
        member->size_bits = 64;
        return TRUE;
    case INTRO_BTF_INT:
        return measure_int(&type, member);
    case INTRO_BTF_STRUCT:
    case INTRO_BTF_UNION:
    case INTRO_BTF_ENUM:
    case INTRO_BTF_ENUM64:
    case INTRO_BTF_FLOAT:
        return g_uint_checked_mul(&member->size_bits, type.size_or_type, 8);
    default:
        return FALSE;
    }
}

/* PATH within the composite type, component by component; FALSE if it is not there or makes no sense. */
static gboolean
find_path(MemberSearch *search, IntroBtfType composite, char **path, IntroMember *found)
{
    guint64 offset_bits = 0;

    for (guint i = 0; path[i] != NULL; i++) {
        if (i > 0 && (!intro_btf_resolve(search->btf, search->type, &composite) || !intro_btf_is_composite(&composite)))
            return FALSE;
        search->name = path[i];
        if (*search->name == '\0' || !search_member(search, &composite, offset_bits, 0))
            return FALSE;
        if (search->offset_bits > (guint64) composite.size_or_type * 8 + offset_bits)
            return FALSE;
        offset_bits = search->offset_bits;
    }
    if (offset_bits > G_MAXINT32)
        return FALSE;
    found->offset_bits = offset_bits;
    if (!measure(search->btf, search->type, found))
        return FALSE;
    if (search->field_bits != 0)
        found->size_bits = search->field_bits;
    return TRUE;
}

gboolean
intro_btf_member(const IntroBtf *btf, const char *type, const char *member, IntroMember *found, GError **error)
{
    g_auto(GStrv) path = g_strsplit(member, ".", 0);
    MemberSearch search = { .btf = btf };
    guint32 at = intro_btf_first_composite(btf, type);
    gboolean is_there = FALSE;
    IntroBtfType composite;

    while (intro_btf_next_composite(btf, type, &at, &search.steps, &composite)) {
        if (find_path(&search, composite, path, found))
            return TRUE;
        is_there = TRUE;
    }
    if (!is_there)
        return fail_no_composite(type, error);
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the kernel's %s has no member %s in its BTF", type, member);
    return FALSE;
}

gboolean
intro_btf_offset(const IntroBtf *btf, const char *type, const char *member, gsize *offset_bytes, GError **error)
{
    IntroMember found;

    if (!intro_btf_member(btf, type, member, &found, error))
        return FALSE;
    if (found.offset_bits % 8 != 0) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                    "the kernel's %s has %s as a bit field inside a byte", type, member);
        return FALSE;
    }
    *offset_bytes = found.offset_bits / 8;
    return TRUE;
}

gboolean
intro_btf_has_member(const IntroBtf *btf, const char *type, const char *member)
{
    IntroMember found;

    return intro_btf_member(btf, type, member, &found, NULL);
}

gboolean
intro_btf_size(const IntroBtf *btf, const char *type, gsize *size_bytes, GError **error)
{
    guint32 at = intro_btf_first_composite(btf, type);
    guint steps = 0;
    IntroBtfType composite;

    if (!intro_btf_next_composite(btf, type, &at, &steps, &composite))
        return fail_no_composite(type, error);
    *size_bytes = composite.size_or_type;
    return TRUE;
}
