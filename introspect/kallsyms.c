/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/kallsyms.h"

#include <string.h>

#include "introspect/cursor.h"

#define N_TOKENS 256
#define TOKEN_INDEX_BYTES (N_TOKENS * 2)
/* Tables begin at multiples of 4 or, until Linux 7.1, of 8; with zeros before them. */
#define MIN_ALIGNMENT 4
#define MAX_ALIGNMENT 8
/* Most tokens are shorter, and are copied at one stroke, with what lies behind them. */
#define SHORT_TOKEN_BYTES 16
#define NAMES_PER_MARKER 256
/* A name's length takes one byte or two, of seven bits each; no name is empty. */
#define MIN_PACKED_NAME 2
#define MAX_PACKED_NAME (2 + 0x3fff)

/* Far beyond any kernel: they bound what a guest can make us work and allocate. */
#define MAX_SYMBOLS (1U << 19)
#define MAX_NAMES_BYTES (32U << 20)
#define MAX_TOKEN_BYTES 1024
#define MAX_IMAGE_BYTES (1ULL << 30)
/* Words and bytes looked at for each byte of the part; without a limit, what only looks like tables would be looked at
 * over and over. Real tables need about two. */
#define MAX_STEPS_PER_BYTE 4

typedef enum {
    ADDRESS_FROM_BASE,          /* unsigned, from the relative base */
    ADDRESS_ABSOLUTE_PER_CPU,   /* the same as -1 - x; per-CPU symbols as they are */
    ADDRESS_FROM_PLACE,         /* signed, from the entry itself */
    N_ADDRESS_ENCODINGS
} AddressEncoding;

/* All positions are bytes from the start of the part. */
typedef struct {
    const IntroImagePart *part;
    gsize steps;                /* left, see MAX_STEPS_PER_BYTE */
    gsize token_table, token_index;
    const char *tokens[N_TOKENS];
    guint16 token_bytes[N_TOKENS];
    char short_tokens[N_TOKENS][SHORT_TOKEN_BYTES];
    gsize number, names, markers;
    guint32 n_symbols;
    gsize unpacked_bytes;       /* of all names, types included, NULs not */
    gsize offsets;
    AddressEncoding encoding;
    GuestVa base;
} Tables;

static IntroCursor
cursor_at(const Tables *tables, gsize position)
{
    IntroCursor cursor = intro_cursor(tables->part->data, tables->part->length);

    if (!intro_cursor_seek(&cursor, position))
        cursor.position = cursor.length;
    return cursor;
}

static gboolean
take_steps(Tables *tables, gsize steps)
{
    gboolean enough = steps <= tables->steps;

    tables->steps = enough ? tables->steps - steps : 0;
    return enough;
}

/* TRUE if a table may begin at START when what is before it ends at END. */
static gboolean
follows(gsize start, gsize end)
{
    return start >= end && start - end < MAX_ALIGNMENT && start % MIN_ALIGNMENT == 0;
}

/* ---- The tokens that names are packed with ---- */

/* From its first two numbers, 0 and the length of the first token: quick, since all of the part is looked at. */
static inline gboolean
may_be_token_index(const guint8 *bytes)
{
    guint32 both;

    memcpy(&both, bytes, sizeof both);
    both = GUINT32_FROM_LE(both);
    return (both & 0xffff) == 0 && both != 0 && both >> 16 <= MAX_TOKEN_BYTES;
}

/* TRUE if what lies there looks like a token index: 256 ascending numbers from 0. */
static gboolean
read_token_index(const Tables *tables, guint16 *index)
{
    IntroCursor cursor = cursor_at(tables, tables->token_index);

    if (!intro_cursor_u16(&cursor, index) || index[0] != 0)
        return FALSE;
    for (guint i = 1; i < N_TOKENS; i++)
        if (!intro_cursor_u16(&cursor, index + i) || index[i] <= index[i - 1]
            || index[i] - index[i - 1] > MAX_TOKEN_BYTES)
            return FALSE;
    return TRUE;
}

static gboolean
is_printable(const char *string)
{
    for (; *string != '\0'; string++)
        if (!g_ascii_isgraph(*string))
            return FALSE;
    return TRUE;
}

/* Reads 256 strings from TABLES->token_table on; TRUE if INDEX is theirs and follows them. */
static gboolean
read_token_table(Tables *tables, const guint16 *index)
{
    for (guint i = 0; i < N_TOKENS; i++) {
        gboolean is_last = i == N_TOKENS - 1;
        gsize start = tables->token_table + index[i];
        gsize end = is_last ? tables->token_index : tables->token_table + index[i + 1];
        IntroCursor cursor = intro_cursor(tables->part->data, end);

        if (!take_steps(tables, end - start) || !intro_cursor_seek(&cursor, start)
            || !intro_cursor_string(&cursor, &tables->tokens[i]) || !is_printable(tables->tokens[i])
            || (is_last ? !follows(end, cursor.position) : cursor.position != end))
            return FALSE;
        tables->token_bytes[i] = (guint16) strlen(tables->tokens[i]);
        memcpy(tables->short_tokens[i], tables->tokens[i], MIN(tables->token_bytes[i], SHORT_TOKEN_BYTES));
    }
    return TRUE;
}

/* The token table ends with a string of unknown length, so its start has to be tried. */
static gboolean
find_token_table(Tables *tables, const guint16 *index)
{
    gsize before_last = index[N_TOKENS - 1];

    for (gsize last = 1; last <= MAX_TOKEN_BYTES && before_last + last <= tables->token_index; last++) {
        tables->token_table = tables->token_index - before_last - last;
        if (tables->token_table % MIN_ALIGNMENT == 0 && read_token_table(tables, index))
            return TRUE;
    }
    return FALSE;
}

/* ---- The packed names ---- */

static gboolean
read_packed_length(IntroCursor *cursor, gsize *length)
{
    guint8 low, high = 0;

    if (!intro_cursor_u8(cursor, &low) || ((low & 0x80) != 0 && !intro_cursor_u8(cursor, &high)))
        return FALSE;
    *length = (low & 0x7f) | (gsize) high << 7;
    return *length > 0;
}

static gsize
unpacked_length(const Tables *tables, const guint8 *packed, gsize length)
{
    gsize bytes = 0;

    for (gsize i = 0; i < length; i++)
        bytes += tables->token_bytes[packed[i]];
    return bytes;
}

/* Goes through all names; TRUE if they are where the markers say and end where the markers begin. */
static gboolean
check_names(Tables *tables)
{
    IntroCursor names = cursor_at(tables, tables->names);
    IntroCursor markers = cursor_at(tables, tables->markers);

    tables->unpacked_bytes = 0;
    for (guint32 i = 0; i < tables->n_symbols; i++) {
        const guint8 *packed;
        gsize length, unpacked;
        guint32 marker;

        if (i % NAMES_PER_MARKER == 0
            && (!intro_cursor_u32(&markers, &marker) || marker != names.position - tables->names))
            return FALSE;
        if (!read_packed_length(&names, &length) || !intro_cursor_bytes(&names, length, &packed)
            || names.position > tables->markers || !take_steps(tables, length))
            return FALSE;
        /* The first letter is the type. */
        unpacked = unpacked_length(tables, packed, length);
        tables->unpacked_bytes += unpacked;
        if (unpacked == 0 || tables->unpacked_bytes > MAX_NAMES_BYTES)
            return FALSE;
    }
    return follows(tables->markers, names.position) && markers.position <= tables->token_table;
}

/* How many numbers from POSITION on could be markers. */
static guint32
count_markers(Tables *tables, gsize position)
{
    IntroCursor cursor = cursor_at(tables, position);
    guint32 count = 0, before = 0, marker;

    while (cursor.position < tables->token_table && intro_cursor_u32(&cursor, &marker)) {
        if (count == 0 ? marker != 0
            : marker < before || marker - before < NAMES_PER_MARKER * MIN_PACKED_NAME
              || marker - before > NAMES_PER_MARKER * MAX_PACKED_NAME)
            break;
        before = marker;
        count++;
    }
    take_steps(tables, count);
    return count;
}

/* TRUE if what lies at TABLES->number can be the number of symbols. */
static gboolean
read_number(Tables *tables, guint32 max_markers)
{
    IntroCursor cursor = cursor_at(tables, tables->number);
    guint32 padding = 0;

    if (!intro_cursor_u32(&cursor, &tables->n_symbols)
        || (cursor.position < tables->names && !intro_cursor_u32(&cursor, &padding)))
        return FALSE;
    return padding == 0 && tables->n_symbols > NAMES_PER_MARKER && tables->n_symbols <= MAX_SYMBOLS
           && (tables->n_symbols - 1) / NAMES_PER_MARKER < max_markers;
}

/* Looks for the number of symbols, and behind it the names, before the markers. */
static gboolean
find_names(Tables *tables, guint32 max_markers)
{
    for (tables->names = tables->markers; tables->names >= MAX_ALIGNMENT && take_steps(tables, 2);
         tables->names -= MIN_ALIGNMENT)
        for (gsize distance = MIN_ALIGNMENT; distance <= MAX_ALIGNMENT; distance += MIN_ALIGNMENT) {
            tables->number = tables->names - distance;
            if (read_number(tables, max_markers) && check_names(tables))
                return TRUE;
        }
    return FALSE;
}

/* The markers lie before the token table, with nothing or the order of names between. */
static gboolean
find_markers_and_names(Tables *tables)
{
    gsize position = tables->token_table;

    while (position >= MIN_ALIGNMENT && take_steps(tables, 1)) {
        guint32 n_markers;

        position -= MIN_ALIGNMENT;
        n_markers = count_markers(tables, position);
        if (n_markers < 2)
            continue;
        tables->markers = position;
        if (find_names(tables, n_markers))
            return TRUE;
    }
    return FALSE;
}

/* ---- Addresses ---- */

static GuestVa
decode_address(const Tables *tables, gsize position, guint32 value)
{
    switch (tables->encoding) {
    case ADDRESS_FROM_BASE:
        return tables->base + value;
    case ADDRESS_ABSOLUTE_PER_CPU:
        return (gint32) value >= 0 ? value : tables->base - 1 - (GuestVa) (gint64) (gint32) value;
    case ADDRESS_FROM_PLACE:
        return tables->part->va + position + (GuestVa) (gint64) (gint32) value;
    case N_ADDRESS_ENCODINGS:
        break;
    }
    return 0;
}

static gboolean
is_in_image(const Tables *tables, GuestVa va)
{
    return va >= tables->part->image_start && va - tables->part->image_start < MAX_IMAGE_BYTES;
}

/* The table is in ascending order, which random bytes are not; and it ends in the image. */
static gboolean
check_addresses(Tables *tables)
{
    IntroCursor cursor = cursor_at(tables, tables->offsets);
    GuestVa before = 0;

    if (!take_steps(tables, tables->n_symbols))
        return FALSE;
    for (guint32 i = 0; i < tables->n_symbols; i++) {
        gsize position = cursor.position;
        guint32 value;
        GuestVa va;

        if (!intro_cursor_u32(&cursor, &value))
            return FALSE;
        va = decode_address(tables, position, value);
        if (va < before)
            return FALSE;
        before = va;
    }
    return is_in_image(tables, before);
}

static gboolean
try_addresses(Tables *tables, gsize offsets, gsize base_position)
{
    IntroCursor cursor = cursor_at(tables, base_position);
    gboolean has_base = intro_cursor_u64(&cursor, &tables->base) && is_in_image(tables, tables->base);

    tables->offsets = offsets;
    for (guint encoding = 0; encoding < N_ADDRESS_ENCODINGS; encoding++) {
        tables->encoding = (AddressEncoding) encoding;
        if ((has_base || tables->encoding == ADDRESS_FROM_PLACE) && check_addresses(tables))
            return TRUE;
    }
    return FALSE;
}

static gboolean
find_addresses(Tables *tables)
{
    gsize bytes = (gsize) tables->n_symbols * sizeof(guint32);
    gsize aligned_bytes = (bytes + MAX_ALIGNMENT - 1) & ~(gsize) (MAX_ALIGNMENT - 1);
    gsize behind_tokens = tables->token_index + TOKEN_INDEX_BYTES;

    if (try_addresses(tables, behind_tokens, behind_tokens + aligned_bytes))
        return TRUE;
    return tables->number >= aligned_bytes + sizeof(guint64)
           && try_addresses(tables, tables->number - sizeof(guint64) - aligned_bytes,
                            tables->number - sizeof(guint64));
}

/* ---- Unpacking ---- */

/* Writes the name at CURSOR to NAME, its type before it, and returns where the NUL is. The tables have been checked;
 * there is room for SHORT_TOKEN_BYTES more. */
static char *
unpack_name(const Tables *tables, IntroCursor *cursor, char *name)
{
    const guint8 *packed;
    gsize length;

    if (!read_packed_length(cursor, &length) || !intro_cursor_bytes(cursor, length, &packed))
        length = 0;
    for (gsize i = 0; i < length; i++) {
        guint8 token = packed[i];

        if (tables->token_bytes[token] <= SHORT_TOKEN_BYTES)
            memcpy(name, tables->short_tokens[token], SHORT_TOKEN_BYTES);
        else
            memcpy(name, tables->tokens[token], tables->token_bytes[token]);
        name += tables->token_bytes[token];
    }
    *name = '\0';
    return name;
}

static IntroSymbolGroup *
unpack(const Tables *tables, GError **error)
{
    IntroCursor packed = cursor_at(tables, tables->names);
    IntroCursor offsets = cursor_at(tables, tables->offsets);
    char *name = g_try_malloc(tables->unpacked_bytes + tables->n_symbols + SHORT_TOKEN_BYTES);
    IntroSymbolGroup *group;

    if (name == NULL) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "%u symbols are too many for this host's memory",
                    tables->n_symbols);
        return NULL;
    }
    group = intro_symbol_group_new(NULL, name);
    g_array_set_size(group->symbols, tables->n_symbols);
    g_array_set_size(group->symbols, 0);
    for (guint32 i = 0; i < tables->n_symbols; i++) {
        gsize position = offsets.position;
        char *end = unpack_name(tables, &packed, name);
        guint32 value = 0;
        IntroSymbol symbol = { .name = name + 1, .type = *name, .is_global = !g_ascii_islower(*name) };

        intro_cursor_u32(&offsets, &value);
        symbol.va = decode_address(tables, position, value);
        /* Names that are empty but for the type are not shown by the kernel either. */
        if (end > name + 1)
            g_array_append_val(group->symbols, symbol);
        name = end + 1;
    }
    return group;
}

IntroSymbolGroup *
intro_kallsyms_find(const IntroImagePart *part, GError **error)
{
    Tables tables = { .part = part, .steps = part->length * MAX_STEPS_PER_BYTE };

    for (gsize position = 0; position + TOKEN_INDEX_BYTES <= part->length && tables.steps > 0;
         position += MIN_ALIGNMENT) {
        guint16 index[N_TOKENS];

        if (!may_be_token_index(part->data + position))
            continue;
        tables.token_index = position;
        if (read_token_index(&tables, index) && find_token_table(&tables, index) && find_markers_and_names(&tables)
            && find_addresses(&tables))
            return unpack(&tables, error);
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND, "there are no symbol tables (kallsyms) there");
    return NULL;
}
