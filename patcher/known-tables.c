/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/known-tables.h"

#include <elf.h>
#include <string.h>

#include "patcher/error.h"

#define EXCEPTION_BYTES 12
#define UNWIND_IP_BYTES 4
/* Any section but none. */
#define SOME_SECTION 1

static gboolean
is_text(const PatchObject *object, guint piece)
{
    return ((const PatchPiece *) object->pieces->pdata[piece])->kind == PATCH_PIECE_TEXT;
}

static gboolean
count_unwinds(PatchKnownTables *tables, const PatchObject *object, guint8 unwind_bytes, GError **error)
{
    if (object->unwinds->len == 0)
        return TRUE;
    if (object->unwind_bytes != unwind_bytes) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the update has unwind data of %u bytes each, and the guest's kernel of %u: it was made for another "
                    "kernel", object->unwind_bytes, unwind_bytes);
        return FALSE;
    }
    tables->unwind_bytes = unwind_bytes;
    tables->n_unwinds += object->unwinds->len;
    return TRUE;
}

gboolean
patch_known_tables_lay_out(PatchKnownTables *tables, const GArray *code, guint64 offset, guint8 unwind_bytes,
                           GError **error)
{
    guint64 name_bytes = 1;

    *tables = (PatchKnownTables) { .n_symbols = 1 };
    for (guint i = 0; i < code->len; i++) {
        const PatchObject *object = g_array_index(code, PatchKnownCode, i).object;

        tables->n_exceptions += object->exceptions->len;
        for (guint p = 0; p < object->pieces->len; p++)
            if (is_text(object, p)) {
                tables->n_symbols++;
                name_bytes += strlen(((const PatchPiece *) object->pieces->pdata[p])->name) + sizeof PATCH_KNOWN_SUFFIX;
            }
        if (!count_unwinds(tables, object, unwind_bytes, error))
            return FALSE;
    }
    /* One more before the first piece, and one behind each. */
    if (tables->unwind_bytes)
        tables->n_unwinds += tables->n_symbols;
    tables->symbols = (offset + 7) & ~(guint64) 7;
    tables->exceptions = tables->symbols + (guint64) tables->n_symbols * sizeof(Elf64_Sym);
    tables->unwind_ips = tables->exceptions + (guint64) tables->n_exceptions * EXCEPTION_BYTES;
    tables->unwinds = tables->unwind_ips + (guint64) tables->n_unwinds * UNWIND_IP_BYTES;
    tables->types = tables->unwinds + (guint64) tables->n_unwinds * tables->unwind_bytes;
    tables->names = tables->types + tables->n_symbols;
    tables->end = tables->names + name_bytes;
    return TRUE;
}

static void
put32(guint8 *at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof value);
}

/* The distance from a word's own place; all of it lies in the same 2 GiB. */
static void
put_distance(guint8 *block, GuestVa va, guint64 offset, GuestVa target)
{
    put32(block + offset, target - (va + offset));
}

static void
add_symbol(const PatchKnownTables *tables, guint8 *block, guint index, guint32 name, GuestVa va, guint64 size)
{
    Elf64_Sym symbol = {
        .st_name = GUINT32_TO_LE(name), .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
        .st_shndx = GUINT16_TO_LE(SOME_SECTION), .st_value = GUINT64_TO_LE(va), .st_size = GUINT64_TO_LE(size),
    };

    memcpy(block + tables->symbols + index * sizeof symbol, &symbol, sizeof symbol);
    block[tables->types + index] = 't';
}

/* The first symbol is none, and the first name is empty, as in any ELF file. */
static void
fill_symbols(const PatchKnownTables *tables, const GArray *code, guint8 *block)
{
    guint32 name = 1;
    guint index = 1;

    memset(block + tables->symbols, 0, sizeof(Elf64_Sym));
    block[tables->types] = 'n';
    block[tables->names] = '\0';
    for (guint i = 0; i < code->len; i++) {
        const PatchKnownCode *part = &g_array_index(code, PatchKnownCode, i);

        for (guint p = 0; p < part->object->pieces->len; p++) {
            const PatchPiece *piece = part->object->pieces->pdata[p];
            gsize length = strlen(piece->name);

            if (!is_text(part->object, p))
                continue;
            add_symbol(tables, block, index++, name, part->vas[p], piece->size);
            memcpy(block + tables->names + name, piece->name, length);
            memcpy(block + tables->names + name + length, PATCH_KNOWN_SUFFIX, sizeof PATCH_KNOWN_SUFFIX);
            name += length + sizeof PATCH_KNOWN_SUFFIX;
        }
    }
}

static void
add_unwind(const PatchKnownTables *tables, guint8 *block, GuestVa va, guint *index, GuestVa ip, guint64 entry)
{
    guint64 bytes = GUINT64_TO_LE(entry);

    put_distance(block, va, tables->unwind_ips + (guint64) *index * UNWIND_IP_BYTES, ip);
    memcpy(block + tables->unwinds + (guint64) *index * tables->unwind_bytes, &bytes, tables->unwind_bytes);
    ++*index;
}

/* By ascending address, as pieces are placed. An entry of zeros says that nothing is known from there on; where it falls
 * on the first one of the next piece, the later one counts. */
static void
fill_unwinds(const PatchKnownTables *tables, const GArray *code, GuestVa va, guint8 *block)
{
    guint index = 0;

    if (!tables->unwind_bytes)
        return;
    add_unwind(tables, block, va, &index, va, 0);
    for (guint i = 0; i < code->len; i++) {
        const PatchKnownCode *part = &g_array_index(code, PatchKnownCode, i);
        guint next = 0;

        for (guint p = 0; p < part->object->pieces->len; p++) {
            const PatchPiece *piece = part->object->pieces->pdata[p];

            for (; next < part->object->unwinds->len; next++) {
                const PatchUnwind *unwind = &g_array_index(part->object->unwinds, PatchUnwind, next);

                if (unwind->piece != p)
                    break;
                add_unwind(tables, block, va, &index, part->vas[p] + unwind->offset, unwind->entry);
            }
            if (is_text(part->object, p))
                add_unwind(tables, block, va, &index, part->vas[p] + piece->size, 0);
        }
    }
}

typedef struct {
    GuestVa from, to, handler;
    guint32 data;
} Exception;

static int
compare_exceptions(gconstpointer a, gconstpointer b)
{
    const Exception *first = a, *second = b;

    return first->from < second->from ? -1 : first->from > second->from;
}

static gboolean
collect_exceptions(const PatchKnownCode *part, GArray *exceptions, GError **error)
{
    for (guint i = 0; i < part->object->exceptions->len; i++) {
        const PatchException *exception = &g_array_index(part->object->exceptions, PatchException, i);
        Exception placed = {
            part->vas[exception->piece] + exception->offset, part->vas[exception->to_piece] + exception->to_offset,
            0, exception->data,
        };

        if (exception->handler >= 0 &&
            !patch_resolved_symbol(part->resolved, exception->handler, &placed.handler, error))
            return FALSE;
        g_array_append_val(exceptions, placed);
    }
    return TRUE;
}

static gboolean
fill_exceptions(const PatchKnownTables *tables, const GArray *code, GuestVa va, guint8 *block, GError **error)
{
    g_autoptr(GArray) exceptions = g_array_new(FALSE, FALSE, sizeof(Exception));

    for (guint i = 0; i < code->len; i++)
        if (!collect_exceptions(&g_array_index(code, PatchKnownCode, i), exceptions, error))
            return FALSE;
    g_array_sort(exceptions, compare_exceptions);
    for (guint i = 0; i < exceptions->len; i++) {
        const Exception *exception = &g_array_index(exceptions, Exception, i);
        guint64 offset = tables->exceptions + (guint64) i * EXCEPTION_BYTES;

        put_distance(block, va, offset, exception->from);
        put_distance(block, va, offset + 4, exception->to);
        if (exception->handler)
            put_distance(block, va, offset + 8, exception->handler);
        else
            put32(block + offset + 8, exception->data);
    }
    return TRUE;
}

gboolean
patch_known_tables_fill(const PatchKnownTables *tables, const GArray *code, GuestVa va, guint8 *block, GError **error)
{
    fill_symbols(tables, code, block);
    fill_unwinds(tables, code, va, block);
    return fill_exceptions(tables, code, va, block, error);
}
