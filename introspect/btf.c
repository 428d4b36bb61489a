/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/btf.h"

#include <string.h>

#include "introspect/cursor.h"

#define BTF_MAGIC           0xeb9f
#define BTF_VERSION         1
#define MAX_TYPES           (1u << 20)  /* of the format, BTF_MAX_TYPE */
#define MAX_ALIASES         32          /* typedefs and qualifiers on the way to a type */
#define MAX_DIMENSIONS      8
#define MAX_NESTING         16          /* anonymous members in anonymous members */
#define MAX_STEPS           (1u << 15)  /* types and members in one lookup, however anonymous members share types */
#define MAX_ENUMERATORS     (1u << 20)  /* in one lookup */

#define N_BUCKETS           (1u << 15)
#define MAX_HASHED_BYTES    64          /* of a name; the rest may be a megabyte */
#define NO_COMPOSITE        G_MAXUINT32

enum {
    KIND_VOID, KIND_INT, KIND_PTR, KIND_ARRAY, KIND_STRUCT, KIND_UNION, KIND_ENUM, KIND_FWD, KIND_TYPEDEF,
    KIND_VOLATILE, KIND_CONST, KIND_RESTRICT, KIND_FUNC, KIND_FUNC_PROTO, KIND_VAR, KIND_DATASEC, KIND_FLOAT,
    KIND_DECL_TAG, KIND_TYPE_TAG, KIND_ENUM64, N_KINDS
};

/* What follows the common 12 bytes of each kind: so many, and so many for each of its vlen items. */
static const struct {
    guint8 fixed, each;
} kind_tails[N_KINDS] = {
    [KIND_INT] = { 4, 0 },
    [KIND_ARRAY] = { 12, 0 },
    [KIND_STRUCT] = { 0, 12 },
    [KIND_UNION] = { 0, 12 },
    [KIND_ENUM] = { 0, 8 },
    [KIND_FUNC_PROTO] = { 0, 8 },
    [KIND_VAR] = { 4, 0 },
    [KIND_DATASEC] = { 0, 12 },
    [KIND_DECL_TAG] = { 4, 0 },
    [KIND_ENUM64] = { 0, 12 },
};

struct IntroBtf {
    GBytes *data;
    IntroCursor types, strings;     /* the two parts of DATA */
    GArray *positions;              /* of guint32: where in TYPES type I begins; type 0 is void and has none */
    GArray *composites;             /* of Composite: structs and unions that have a name */
    guint32 *first;                 /* N_BUCKETS of positions in COMPOSITES, by name; NO_COMPOSITE if there is none */
    GArray *enums;                  /* of guint32: ids of enums */
};

typedef struct {
    guint32 id, name, next;         /* NEXT of the same bucket, ascending by ID; NO_COMPOSITE if there is none */
} Composite;

typedef struct {
    guint32 name, size_or_type;
    guint kind, n_items;
    gboolean kind_flag;
    IntroCursor tail;               /* at what follows the common part */
} BtfType;

/* A search for one member name through anonymous members. */
typedef struct {
    const IntroBtf *btf;
    const char *name;
    guint steps;
    guint32 type;                   /* of what was found */
    guint64 offset_bits;            /* of what was found, from the struct searched */
    guint32 field_bits;             /* width of a bit field, else 0 */
} MemberSearch;

/* The strings end with a NUL, which has been seen. */
static const char *
string_at(const IntroBtf *btf, guint32 offset)
{
    return offset < btf->strings.length ? (const char *) btf->strings.data + offset : "";
}

static guint
bucket_of(const char *name)
{
    guint32 hash = 5381;

    for (gsize i = 0; i < MAX_HASHED_BYTES && name[i] != '\0'; i++)
        hash = hash * 33 + (guint8) name[i];
    return hash % N_BUCKETS;
}

static gboolean
parse_type(IntroCursor *cursor, BtfType *type)
{
    guint32 info;

    if (!intro_cursor_u32(cursor, &type->name) || !intro_cursor_u32(cursor, &info)
        || !intro_cursor_u32(cursor, &type->size_or_type))
        return FALSE;
    type->n_items = info & 0xffff;
    type->kind = (info >> 24) & 0x1f;
    type->kind_flag = info >> 31;
    type->tail = *cursor;
    return TRUE;
}

/* FALSE for void and for ids that are not there. */
static gboolean
type_by_id(const IntroBtf *btf, guint32 id, BtfType *type)
{
    IntroCursor cursor = btf->types;

    return id > 0 && id < btf->positions->len
           && intro_cursor_seek(&cursor, g_array_index(btf->positions, guint32, id))
           && parse_type(&cursor, type);
}

static gboolean
is_composite(const BtfType *type)
{
    return type->kind == KIND_STRUCT || type->kind == KIND_UNION;
}

static gboolean
is_alias(const BtfType *type)
{
    return type->kind == KIND_TYPEDEF || type->kind == KIND_VOLATILE || type->kind == KIND_CONST
           || type->kind == KIND_RESTRICT || type->kind == KIND_TYPE_TAG;
}

/* The type behind typedefs and qualifiers. */
static gboolean
resolve(const IntroBtf *btf, guint32 id, BtfType *type)
{
    for (guint i = 0; i < MAX_ALIASES; i++) {
        if (!type_by_id(btf, id, type))
            return FALSE;
        if (!is_alias(type))
            return TRUE;
        id = type->size_or_type;
    }
    return FALSE;
}

static void
chain_composites(IntroBtf *btf)
{
    btf->first = g_new(guint32, N_BUCKETS);
    for (guint i = 0; i < N_BUCKETS; i++)
        btf->first[i] = NO_COMPOSITE;
    for (guint32 i = btf->composites->len; i-- > 0;) {
        Composite *composite = &g_array_index(btf->composites, Composite, i);
        guint bucket = bucket_of(string_at(btf, composite->name));

        composite->next = btf->first[bucket];
        btf->first[bucket] = i;
    }
}

static gboolean
index_types(IntroBtf *btf, GError **error)
{
    IntroCursor cursor = btf->types;
    guint32 no_position = 0;

    g_array_append_val(btf->positions, no_position);
    while (cursor.position < cursor.length) {
        guint32 position = cursor.position, id = btf->positions->len;
        BtfType type;

        if (!parse_type(&cursor, &type) || id >= MAX_TYPES) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's BTF breaks off in type %u", id);
            return FALSE;
        }
        if (type.kind == KIND_VOID || type.kind >= N_KINDS) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                        "the kernel's BTF has a type of kind %u, which this version does not know", type.kind);
            return FALSE;
        }
        if (!intro_cursor_skip(&cursor, kind_tails[type.kind].fixed + kind_tails[type.kind].each * type.n_items)) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's BTF breaks off in type %u", id);
            return FALSE;
        }
        g_array_append_val(btf->positions, position);
        if (is_composite(&type) && type.name != 0) {
            Composite composite = { id, type.name, NO_COMPOSITE };

            g_array_append_val(btf->composites, composite);
        }
        if (type.kind == KIND_ENUM || type.kind == KIND_ENUM64)
            g_array_append_val(btf->enums, id);
    }
    chain_composites(btf);
    return TRUE;
}

/* LENGTH bytes at OFFSET behind the header. */
static gboolean
cut_part(IntroCursor cursor, guint32 header_length, guint32 offset, guint32 length, IntroCursor *part)
{
    const guint8 *bytes;

    if (!intro_cursor_seek(&cursor, header_length) || !intro_cursor_skip(&cursor, offset)
        || !intro_cursor_bytes(&cursor, length, &bytes))
        return FALSE;
    *part = intro_cursor(bytes, length);
    return TRUE;
}

static gboolean
parse_header(IntroBtf *btf, GError **error)
{
    gsize length;
    const guint8 *data = g_bytes_get_data(btf->data, &length);
    IntroCursor cursor = intro_cursor(data, length);
    guint16 magic;
    guint8 version, flags;
    guint32 header_length, type_offset, type_length, string_offset, string_length;

    if (!intro_cursor_u16(&cursor, &magic) || !intro_cursor_u8(&cursor, &version) || !intro_cursor_u8(&cursor, &flags)
        || !intro_cursor_u32(&cursor, &header_length) || !intro_cursor_u32(&cursor, &type_offset)
        || !intro_cursor_u32(&cursor, &type_length) || !intro_cursor_u32(&cursor, &string_offset)
        || !intro_cursor_u32(&cursor, &string_length) || magic != BTF_MAGIC) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's BTF has no valid header");
        return FALSE;
    }
    if (version != BTF_VERSION) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                    "the kernel's BTF is of version %u, which this version does not know", version);
        return FALSE;
    }
    if (!cut_part(cursor, header_length, type_offset, type_length, &btf->types)
        || !cut_part(cursor, header_length, string_offset, string_length, &btf->strings)) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                            "the kernel's BTF is shorter than its header says");
        return FALSE;
    }
    if (btf->strings.length == 0 || btf->strings.data[btf->strings.length - 1] != '\0') {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the strings of the kernel's BTF do not end");
        return FALSE;
    }
    return TRUE;
}

IntroBtf *
intro_btf_new(GBytes *data, GError **error)
{
    g_autoptr(IntroBtf) btf = g_new0(IntroBtf, 1);

    btf->data = g_bytes_ref(data);
    btf->positions = g_array_sized_new(FALSE, FALSE, sizeof(guint32), 1u << 17);
    btf->enums = g_array_new(FALSE, FALSE, sizeof(guint32));
    btf->composites = g_array_new(FALSE, FALSE, sizeof(Composite));
    if (!parse_header(btf, error) || !index_types(btf, error))
        return NULL;
    return g_steal_pointer(&btf);
}

void
intro_btf_free(IntroBtf *btf)
{
    if (btf == NULL)
        return;
    g_array_unref(btf->composites);
    g_free(btf->first);
    g_array_unref(btf->enums);
    g_array_unref(btf->positions);
    g_bytes_unref(btf->data);
    g_free(btf);
}

/* The next struct or union of that name from position AT in the chain on; NO_COMPOSITE if there is none. STEPS counts. */
static guint32
find_composite(const IntroBtf *btf, const char *name, guint32 at, guint *steps)
{
    for (; at != NO_COMPOSITE && (*steps)++ < MAX_STEPS; at = g_array_index(btf->composites, Composite, at).next)
        if (strcmp(string_at(btf, g_array_index(btf->composites, Composite, at).name), name) == 0)
            return at;
    return NO_COMPOSITE;
}

static gboolean
fail_no_composite(const char *name, GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the kernel's BTF has no struct or union %s", name);
    return FALSE;
}

static gboolean search_member(MemberSearch *search, const BtfType *composite, guint64 base_bits, guint depth);

/* The anonymous member of type ID at BASE_BITS, if it is a struct or union at all. */
static gboolean
search_anonymous(MemberSearch *search, guint32 id, guint64 base_bits, guint depth)
{
    BtfType type;

    return resolve(search->btf, id, &type) && is_composite(&type)
           && search_member(search, &type, base_bits, depth + 1);
}

static gboolean
search_member(MemberSearch *search, const BtfType *composite, guint64 base_bits, guint depth)
{
    IntroCursor cursor = composite->tail;

    if (depth > MAX_NESTING)
        return FALSE;
    for (guint i = 0; i < composite->n_items; i++) {
        guint32 name, type, offset;
        guint64 offset_bits;
        const char *member;

        if (search->steps++ >= MAX_STEPS || !intro_cursor_u32(&cursor, &name)
            || !intro_cursor_u32(&cursor, &type) || !intro_cursor_u32(&cursor, &offset))
            return FALSE;
        offset_bits = base_bits + (composite->kind_flag ? offset & 0xffffff : offset);
        member = string_at(search->btf, name);
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
measure_int(const BtfType *type, IntroMember *member)
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
measure_array(const IntroBtf *btf, BtfType *type, IntroMember *member)
{
    for (guint i = 0; i < MAX_DIMENSIONS && type->kind == KIND_ARRAY; i++) {
        IntroCursor cursor = type->tail;
        guint32 element, index, n;

        if (!intro_cursor_u32(&cursor, &element) || !intro_cursor_u32(&cursor, &index)
            || !intro_cursor_u32(&cursor, &n) || !g_uint_checked_mul(&member->n_elements, member->n_elements, n)
            || !resolve(btf, element, type))
            return FALSE;
    }
    return type->kind != KIND_ARRAY;
}

/* Fills in the size and number of elements of a member of type ID; its offset is already there. */
static gboolean
measure(const IntroBtf *btf, guint32 id, IntroMember *member)
{
    BtfType type;

    member->n_elements = 1;
    if (!resolve(btf, id, &type) || !measure_array(btf, &type, member))
        return FALSE;
    switch (type.kind) {
    case KIND_PTR:
        member->size_bits = 64;
        return TRUE;
    case KIND_INT:
        return measure_int(&type, member);
    case KIND_STRUCT:
    case KIND_UNION:
    case KIND_ENUM:
    case KIND_ENUM64:
    case KIND_FLOAT:
        return g_uint_checked_mul(&member->size_bits, type.size_or_type, 8);
    default:
        return FALSE;
    }
}

/* PATH within the composite type, component by component; FALSE if it is not there or makes no sense. */
static gboolean
find_path(MemberSearch *search, BtfType composite, char **path, IntroMember *found)
{
    guint64 offset_bits = 0;

    for (guint i = 0; path[i] != NULL; i++) {
        if (i > 0 && (!resolve(search->btf, search->type, &composite) || !is_composite(&composite)))
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
    guint32 at = find_composite(btf, type, btf->first[bucket_of(type)], &search.steps);

    if (at == NO_COMPOSITE)
        return fail_no_composite(type, error);
    while (at != NO_COMPOSITE) {
        const Composite *candidate = &g_array_index(btf->composites, Composite, at);
        BtfType composite;

        if (type_by_id(btf, candidate->id, &composite) && find_path(&search, composite, path, found))
            return TRUE;
        at = find_composite(btf, type, candidate->next, &search.steps);
    }
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
    guint steps = 0;
    guint32 at = find_composite(btf, type, btf->first[bucket_of(type)], &steps);
    BtfType composite = { 0 };

    if (at == NO_COMPOSITE)
        return fail_no_composite(type, error);
    type_by_id(btf, g_array_index(btf->composites, Composite, at).id, &composite);
    *size_bytes = composite.size_or_type;
    return TRUE;
}

/* The enumerator NAME of one enum: enum64 has its value in two halves. */
static gboolean
find_enumerator(const IntroBtf *btf, const BtfType *type, const char *name, guint *steps, gint64 *value)
{
    IntroCursor cursor = type->tail;

    for (guint i = 0; i < type->n_items && *steps < MAX_ENUMERATORS; i++, (*steps)++) {
        guint32 item, low, high = 0;

        if (!intro_cursor_u32(&cursor, &item) || !intro_cursor_u32(&cursor, &low)
            || (type->kind == KIND_ENUM64 && !intro_cursor_u32(&cursor, &high)))
            return FALSE;
        if (strcmp(string_at(btf, item), name) != 0)
            continue;
        if (type->kind == KIND_ENUM64)
            *value = (gint64) ((guint64) high << 32 | low);
        else
            *value = type->kind_flag ? (gint64) (gint32) low : (gint64) low;
        return TRUE;
    }
    return FALSE;
}

gboolean
intro_btf_enumerator(const IntroBtf *btf, const char *name, gint64 *value, GError **error)
{
    guint steps = 0;

    for (guint i = 0; i < btf->enums->len; i++) {
        BtfType type;

        if (type_by_id(btf, g_array_index(btf->enums, guint32, i), &type)
            && find_enumerator(btf, &type, name, &steps, value))
            return TRUE;
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the kernel's BTF has no enumerator %s", name);
    return FALSE;
}
