/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/btf-private.h"

#include <string.h>

#define BTF_MAGIC           0xeb9f
#define BTF_VERSION         1
#define MAX_TYPES           (1u << 20)  /* of the format, BTF_MAX_TYPE */
#define MAX_ALIASES         32          /* typedefs and qualifiers on the way to a type */
#define MAX_ENUMERATORS     (1u << 20)  /* in one lookup */

#define N_BUCKETS           (1u << 15)
#define MAX_HASHED_BYTES    64          /* of a name; the rest may be a megabyte */
#define NO_COMPOSITE        G_MAXUINT32

/* What follows the common 12 bytes of each kind: so many, and so many for each of its vlen items. */
static const struct {
    guint8 fixed, each;
} kind_tails[INTRO_BTF_N_KINDS] = {
    [INTRO_BTF_INT] = { 4, 0 },
    [INTRO_BTF_ARRAY] = { 12, 0 },
    [INTRO_BTF_STRUCT] = { 0, 12 },
    [INTRO_BTF_UNION] = { 0, 12 },
    [INTRO_BTF_ENUM] = { 0, 8 },
    [INTRO_BTF_FUNC_PROTO] = { 0, 8 },
    [INTRO_BTF_VAR] = { 4, 0 },
    [INTRO_BTF_DATASEC] = { 0, 12 },
    [INTRO_BTF_DECL_TAG] = { 4, 0 },
    [INTRO_BTF_ENUM64] = { 0, 12 },
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

/* The strings end with a NUL, which has been seen. */
const char *
intro_btf_string(const IntroBtf *btf, guint32 offset)
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
parse_type(IntroCursor *cursor, IntroBtfType *type)
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
type_by_id(const IntroBtf *btf, guint32 id, IntroBtfType *type)
{
    IntroCursor cursor = btf->types;

    return id > 0 && id < btf->positions->len
           && intro_cursor_seek(&cursor, g_array_index(btf->positions, guint32, id))
           && parse_type(&cursor, type);
}

gboolean
intro_btf_is_composite(const IntroBtfType *type)
{
    return type->kind == INTRO_BTF_STRUCT || type->kind == INTRO_BTF_UNION;
}

static gboolean
is_alias(const IntroBtfType *type)
{
    return type->kind == INTRO_BTF_TYPEDEF || type->kind == INTRO_BTF_VOLATILE || type->kind == INTRO_BTF_CONST
           || type->kind == INTRO_BTF_RESTRICT || type->kind == INTRO_BTF_TYPE_TAG;
}

gboolean
intro_btf_resolve(const IntroBtf *btf, guint32 id, IntroBtfType *type)
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
        guint bucket = bucket_of(intro_btf_string(btf, composite->name));

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
        IntroBtfType type;

        if (!parse_type(&cursor, &type) || id >= MAX_TYPES) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's BTF breaks off in type %u", id);
            return FALSE;
        }
        if (type.kind == INTRO_BTF_VOID || type.kind >= INTRO_BTF_N_KINDS) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                        "the kernel's BTF has a type of kind %u, which this version does not know", type.kind);
            return FALSE;
        }
        if (!intro_cursor_skip(&cursor, kind_tails[type.kind].fixed + kind_tails[type.kind].each * type.n_items)) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's BTF breaks off in type %u", id);
            return FALSE;
        }
        g_array_append_val(btf->positions, position);
        if (intro_btf_is_composite(&type) && type.name != 0) {
            Composite composite = { id, type.name, NO_COMPOSITE };

            g_array_append_val(btf->composites, composite);
        }
        if (type.kind == INTRO_BTF_ENUM || type.kind == INTRO_BTF_ENUM64)
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

guint32
intro_btf_first_composite(const IntroBtf *btf, const char *name)
{
    return btf->first[bucket_of(name)];
}

gboolean
intro_btf_next_composite(const IntroBtf *btf, const char *name, guint32 *at, guint *steps, IntroBtfType *type)
{
    while (*at != NO_COMPOSITE && (*steps)++ < INTRO_BTF_MAX_STEPS) {
        const Composite *composite = &g_array_index(btf->composites, Composite, *at);

        *at = composite->next;
        if (strcmp(intro_btf_string(btf, composite->name), name) == 0 && type_by_id(btf, composite->id, type))
            return TRUE;
    }
    return FALSE;
}

/* The enumerator NAME of one enum: enum64 has its value in two halves. */
static gboolean
find_enumerator(const IntroBtf *btf, const IntroBtfType *type, const char *name, guint *steps, gint64 *value)
{
    IntroCursor cursor = type->tail;

    for (guint i = 0; i < type->n_items && *steps < MAX_ENUMERATORS; i++, (*steps)++) {
        guint32 item, low, high = 0;

        if (!intro_cursor_u32(&cursor, &item) || !intro_cursor_u32(&cursor, &low)
            || (type->kind == INTRO_BTF_ENUM64 && !intro_cursor_u32(&cursor, &high)))
            return FALSE;
        if (strcmp(intro_btf_string(btf, item), name) != 0)
            continue;
        if (type->kind == INTRO_BTF_ENUM64)
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
        IntroBtfType type;

        if (type_by_id(btf, g_array_index(btf->enums, guint32, i), &type)
            && find_enumerator(btf, &type, name, &steps, value))
            return TRUE;
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "the kernel's BTF has no enumerator %s", name);
    return FALSE;
}
