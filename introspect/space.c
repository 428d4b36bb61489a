/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/space.h"

#include <string.h>

#include "introspect/table-cache.h"

#define PAGE_BYTES 4096
#define TABLE_ENTRIES 512
#define MAX_LEVELS 5

#define ENTRY_PRESENT  (1ULL << 0)
#define ENTRY_WRITABLE (1ULL << 1)
#define ENTRY_USER     (1ULL << 2)
#define ENTRY_LARGE    (1ULL << 7)
#define ENTRY_NO_EXEC  (1ULL << 63)
#define ENTRY_ADDRESS  0x000ffffffffff000ULL

struct IntroSpace {
    const VmmReader *reader;
    IntroTableCache *tables;
    GuestPa root;
    guint levels;
};

/* Where a walk has got to. */
typedef struct {
    GuestPa table;              /* of the next entry to be read; the page itself once WALK_DONE */
    guint64 page_bytes;         /* that one entry of TABLE maps, or the page's size */
    gboolean writable, executable, user;
    enum { WALK_ON, WALK_DONE, WALK_UNMAPPED } state;
} Walk;

IntroSpace *
intro_space_new(const VmmReader *reader, GuestPa root, gboolean five_levels)
{
    IntroSpace *space = g_new0(IntroSpace, 1);

    space->reader = reader;
    space->root = guest_pa(root.value & ENTRY_ADDRESS);
    space->levels = five_levels ? 5 : 4;
    space->tables = intro_table_cache_new(reader);
    return space;
}

void
intro_space_free(IntroSpace *space)
{
    if (space == NULL)
        return;
    intro_table_cache_free(space->tables);
    g_free(space);
}

void
intro_space_hold(IntroSpace *space)
{
    intro_table_cache_hold(space->tables);
}

void
intro_space_release(IntroSpace *space)
{
    intro_table_cache_release(space->tables);
}

/* Bytes mapped by one entry of a table of LEVEL, 1 being the lowest. */
static guint64
level_bytes(guint level)
{
    return 1ULL << (12 + 9 * (level - 1));
}

static guint
level_index(GuestVa va, guint level)
{
    return (va >> (12 + 9 * (level - 1))) % TABLE_ENTRIES;
}

/* Addresses whose upper bits are no copy of the highest one that is translated do not exist. */
static gboolean
is_canonical(const IntroSpace *space, GuestVa va)
{
    guint unused_bits = 64 - (12 + 9 * space->levels);

    return (GuestVa) ((gint64) (va << unused_bits) >> unused_bits) == va;
}

static Walk
walk_begin(const IntroSpace *space)
{
    return (Walk) {
        .table = space->root,
        .page_bytes = level_bytes(space->levels),
        .writable = TRUE, .executable = TRUE, .user = TRUE,
        .state = WALK_ON,
    };
}

/* Takes WALK through ENTRY, which lies in a table of LEVEL. */
static void
walk_step(Walk *walk, guint64 entry, guint level)
{
    gboolean is_large = level > 1 && level <= 3 && (entry & ENTRY_LARGE) != 0;

    if ((entry & ENTRY_PRESENT) == 0) {
        walk->state = WALK_UNMAPPED;
        return;
    }
    walk->writable &= (entry & ENTRY_WRITABLE) != 0;
    walk->user &= (entry & ENTRY_USER) != 0;
    walk->executable &= (entry & ENTRY_NO_EXEC) == 0;
    if (level == 1 || is_large) {
        /* In a large page's entry the lower address bits hold other things (PAT). */
        walk->table = guest_pa(entry & ENTRY_ADDRESS & ~(level_bytes(level) - 1));
        walk->state = WALK_DONE;
    } else {
        walk->table = guest_pa(entry & ENTRY_ADDRESS);
        walk->page_bytes = level_bytes(level - 1);
    }
}

static gboolean
fail_not_mapped(GuestVa va, GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED,
                "nothing is mapped at guest-virtual address 0x%" G_GINT64_MODIFIER "x", va);
    return FALSE;
}

/* A table or page that lies outside the machine's memory is the guest's doing; other failures are not. */
static gboolean
fail_read(GError *cause, GuestVa va, GError **error)
{
    if (!g_error_matches(cause, VMM_ERROR, VMM_ERROR_BAD_ADDRESS)) {
        g_propagate_error(error, cause);
        return FALSE;
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                "the page tables for guest-virtual address 0x%" G_GINT64_MODIFIER "x lead out of memory: %s",
                va, cause->message);
    g_error_free(cause);
    return FALSE;
}

gboolean
intro_space_translate(const IntroSpace *space, GuestVa va, IntroMapping *mapping, GError **error)
{
    Walk walk = walk_begin(space);
    guint64 offset;

    if (!is_canonical(space, va))
        return fail_not_mapped(va, error);
    for (guint level = space->levels; walk.state == WALK_ON; level--) {
        GError *cause = NULL;
        guint64 entry;
        VmmExtent read = { guest_pa_add(walk.table, level_index(va, level) * sizeof entry), &entry, sizeof entry };

        if (!intro_table_cache_read(space->tables, &read, 1, &cause))
            return fail_read(cause, va, error);
        walk_step(&walk, GUINT64_FROM_LE(entry), level);
    }
    if (walk.state == WALK_UNMAPPED)
        return fail_not_mapped(va, error);

    offset = va & (walk.page_bytes - 1);
    *mapping = (IntroMapping) {
        .va = va,
        .pa = guest_pa_add(walk.table, offset),
        .length = walk.page_bytes - offset,
        .writable = walk.writable, .executable = walk.executable, .user = walk.user,
    };
    return TRUE;
}

/* ---- Walking a range ---- */

typedef struct {
    const IntroSpace *space;
    GuestVa va, last;           /* what is left to look at, LAST included: END may be the end of all addresses */
    gboolean at_end;
    IntroMapping *run;
    gboolean in_run;
} RangeWalk;

/* Moves on to the next address that an entry of BYTES does not cover. */
static void
range_advance(RangeWalk *range, guint64 bytes)
{
    GuestVa last_of_entry = range->va | (bytes - 1);

    if (last_of_entry >= range->last)
        range->at_end = TRUE;
    else
        range->va = last_of_entry + 1;
}

/* Adds the page that WALK ended in; FALSE if it does not continue the run. */
static gboolean
range_add_page(RangeWalk *range, const Walk *walk)
{
    guint64 offset = range->va & (walk->page_bytes - 1);
    guint64 length = MIN(walk->page_bytes - offset, range->last - range->va + 1);
    GuestPa pa = guest_pa_add(walk->table, offset);
    IntroMapping *run = range->run;

    if (!range->in_run) {
        *run = (IntroMapping) {
            .va = range->va, .pa = pa, .length = length,
            .writable = walk->writable, .executable = walk->executable, .user = walk->user,
        };
        range->in_run = TRUE;
    } else if (run->pa.value + run->length == pa.value && run->writable == walk->writable
               && run->executable == walk->executable && run->user == walk->user) {
        run->length += length;
    } else {
        return FALSE;
    }
    range_advance(range, walk->page_bytes);
    return TRUE;
}

/* Looks at the entries of one table that lie in the range. *MORE becomes FALSE when the run is complete. */
static gboolean
range_walk_table(RangeWalk *range, Walk above, guint level, gboolean *more, GError **error)
{
    guint64 entries[TABLE_ENTRIES];
    guint first = level_index(range->va, level);
    GError *cause = NULL;

    if (!vmm_read(range->space->reader, guest_pa_add(above.table, first * sizeof entries[0]), entries + first,
                  (TABLE_ENTRIES - first) * sizeof entries[0], &cause))
        return fail_read(cause, range->va, error);
    for (guint i = first; i < TABLE_ENTRIES && *more && !range->at_end; i++) {
        Walk walk = above;

        walk_step(&walk, GUINT64_FROM_LE(entries[i]), level);
        if (walk.state == WALK_UNMAPPED) {
            *more = !range->in_run;
            if (*more)
                range_advance(range, level_bytes(level));
        } else if (walk.state == WALK_DONE) {
            *more = range_add_page(range, &walk);
        } else if (!range_walk_table(range, walk, level - 1, more, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
intro_space_next_mapping(const IntroSpace *space, GuestVa *va, GuestVa end, IntroMapping *mapping, GError **error)
{
    RangeWalk range = { .space = space, .va = *va, .last = end - 1, .run = mapping };
    gboolean more = TRUE;

    if (*va >= end)
        return FALSE;
    if (!is_canonical(space, *va) || !is_canonical(space, end - 1)
        || ((*va ^ (end - 1)) >> 63) != 0)
        return fail_not_mapped(*va, error);
    if (!range_walk_table(&range, walk_begin(space), space->levels, &more, error))
        return FALSE;
    *va = range.at_end ? end : range.va;
    return range.in_run;
}

/* ---- Reading ---- */

/* The part of an extent that lies in one page. */
typedef struct {
    GuestVa va;
    guint8 *buffer;
    gsize length;
    Walk walk;
} Piece;

static GArray *
split_into_pages(const IntroSpace *space, const IntroExtent *extents, gsize n_extents, GError **error)
{
    g_autoptr(GArray) pieces = g_array_sized_new(FALSE, FALSE, sizeof(Piece), (guint) MIN(n_extents, G_MAXUINT / 2));

    for (gsize i = 0; i < n_extents; i++) {
        GuestVa va = extents[i].va;
        guint8 *buffer = extents[i].buffer;
        gsize left = extents[i].length;

        while (left > 0) {
            gsize length = MIN(left, PAGE_BYTES - va % PAGE_BYTES);
            Piece piece = { va, buffer, length, walk_begin(space) };

            if (!is_canonical(space, va)) {
                fail_not_mapped(va, error);
                return NULL;
            }
            g_array_append_val(pieces, piece);
            va += length;
            buffer += length;
            left -= length;
        }
    }
    return g_steal_pointer(&pieces);
}

/* TRUE if PIECE is read through the same entry of LEVEL as the one before it, which is the rule in long reads. */
static gboolean
shares_entry(const GArray *pieces, guint index, guint level)
{
    const Piece *piece = &g_array_index(pieces, Piece, index);
    const Piece *before = index > 0 ? piece - 1 : NULL;

    return before != NULL && (piece->va ^ before->va) < level_bytes(level);
}

/* One level of all walks at once. */
static gboolean
walk_level(const IntroSpace *space, GArray *pieces, guint level, GError **error)
{
    g_autoptr(GArray) reads = g_array_new(FALSE, FALSE, sizeof(VmmExtent));
    g_autofree guint64 *entries = g_new(guint64, pieces->len);
    GError *cause = NULL;

    for (guint i = 0; i < pieces->len; i++) {
        const Piece *piece = &g_array_index(pieces, Piece, i);
        VmmExtent read = {
            guest_pa_add(piece->walk.table, level_index(piece->va, level) * sizeof entries[0]), entries + i,
            sizeof entries[0],
        };

        if (piece->walk.state == WALK_ON && !shares_entry(pieces, i, level))
            g_array_append_val(reads, read);
    }
    if (!intro_table_cache_read(space->tables, (VmmExtent *) reads->data, reads->len, &cause))
        return fail_read(cause, g_array_index(pieces, Piece, 0).va, error);

    for (guint i = 0; i < pieces->len; i++) {
        Piece *piece = &g_array_index(pieces, Piece, i);

        if (piece->walk.state != WALK_ON)
            continue;
        if (shares_entry(pieces, i, level))
            entries[i] = entries[i - 1];
        walk_step(&piece->walk, GUINT64_FROM_LE(entries[i]), level);
        if (piece->walk.state == WALK_UNMAPPED)
            return fail_not_mapped(piece->va, error);
    }
    return TRUE;
}

/* Joins what lies together on both sides, so that fewer pieces are copied. */
static GArray *
collect_reads(const GArray *pieces)
{
    GArray *reads = g_array_sized_new(FALSE, FALSE, sizeof(VmmExtent), pieces->len);

    for (guint i = 0; i < pieces->len; i++) {
        const Piece *piece = &g_array_index(pieces, Piece, i);
        VmmExtent read = {
            guest_pa_add(piece->walk.table, piece->va & (piece->walk.page_bytes - 1)), piece->buffer, piece->length,
        };
        VmmExtent *last = reads->len > 0 ? &g_array_index(reads, VmmExtent, reads->len - 1) : NULL;

        if (last != NULL && last->pa.value + last->length == read.pa.value
            && (guint8 *) last->buffer + last->length == read.buffer)
            last->length += read.length;
        else
            g_array_append_val(reads, read);
    }
    return reads;
}

gboolean
intro_space_read_extents(const IntroSpace *space, const IntroExtent *extents, gsize n_extents, GError **error)
{
    g_autoptr(GArray) pieces = split_into_pages(space, extents, n_extents, error);
    g_autoptr(GArray) reads = NULL;
    GError *cause = NULL;

    if (pieces == NULL)
        return FALSE;
    for (guint level = space->levels; level > 0; level--)
        if (!walk_level(space, pieces, level, error))
            return FALSE;
    reads = collect_reads(pieces);
    if (reads->len > 0 && !vmm_read_extents(space->reader, (VmmExtent *) reads->data, reads->len, &cause))
        return fail_read(cause, g_array_index(pieces, Piece, 0).va, error);
    return TRUE;
}

gboolean
intro_space_read(const IntroSpace *space, GuestVa va, void *buffer, gsize length, GError **error)
{
    IntroExtent extent = { va, buffer, length };

    return intro_space_read_extents(space, &extent, 1, error);
}

gboolean
intro_space_read_u32(const IntroSpace *space, GuestVa va, guint32 *value, GError **error)
{
    if (!intro_space_read(space, va, value, sizeof *value, error))
        return FALSE;
    *value = GUINT32_FROM_LE(*value);
    return TRUE;
}

gboolean
intro_space_read_u64(const IntroSpace *space, GuestVa va, guint64 *value, GError **error)
{
    if (!intro_space_read(space, va, value, sizeof *value, error))
        return FALSE;
    *value = GUINT64_FROM_LE(*value);
    return TRUE;
}

char *
intro_space_read_string(const IntroSpace *space, GuestVa va, gsize max, GError **error)
{
    g_autoptr(GByteArray) string = g_byte_array_new();

    while (string->len < max) {
        guint have = string->len;
        gsize length = MIN(max - have, PAGE_BYTES - (va + have) % PAGE_BYTES);

        g_byte_array_set_size(string, have + (guint) length);
        if (!intro_space_read(space, va + have, string->data + have, length, error))
            return NULL;
        if (memchr(string->data + have, '\0', length) != NULL)
            return (char *) g_byte_array_free(g_steal_pointer(&string), FALSE);
    }
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                "the string at guest-virtual address 0x%" G_GINT64_MODIFIER "x does not end within %" G_GSIZE_FORMAT
                " bytes", va, max);
    return NULL;
}
