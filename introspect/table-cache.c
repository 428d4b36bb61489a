/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/table-cache.h"

#include <string.h>

#define TABLE_BYTES 4096

/* How much of page tables is kept at most while they are held, and is read when they are held again. */
#define MAX_HELD_TABLES 4096
#define MAX_USUAL_TABLES 256

typedef struct {
    guint8 bytes[TABLE_BYTES];
    gboolean is_used;           /* since the tables were held */
} Table;

struct IntroTableCache {
    const VmmReader *reader;
    GHashTable *held;           /* guest-physical address of a table -> Table; NULL if they are not held */
    GArray *usual;              /* of GuestPa: the tables that were used when they were last held */
};

IntroTableCache *
intro_table_cache_new(const VmmReader *reader)
{
    IntroTableCache *cache = g_new0(IntroTableCache, 1);

    cache->reader = reader;
    cache->usual = g_array_new(FALSE, FALSE, sizeof(GuestPa));
    return cache;
}

void
intro_table_cache_free(IntroTableCache *cache)
{
    if (cache == NULL)
        return;
    intro_table_cache_release(cache);
    g_array_unref(cache->usual);
    g_free(cache);
}

/* With what it was in that memory: it is filled, or not used. */
static Table *
new_table(void)
{
    Table *table = g_new(Table, 1);

    table->is_used = FALSE;
    return table;
}

static void
keep_table(const IntroTableCache *cache, GuestPa pa, Table *table)
{
    g_hash_table_replace(cache->held, g_memdup2(&pa.value, sizeof pa.value), table);
}

/* All in one read. What fails here, fails again when it is needed. */
static void
read_usual_tables(const IntroTableCache *cache)
{
    guint n = cache->usual->len;
    g_autofree VmmExtent *reads = g_new(VmmExtent, n);
    g_autofree Table **tables = g_new(Table *, n);
    gboolean done;

    for (guint i = 0; i < n; i++) {
        tables[i] = new_table();
        reads[i] = (VmmExtent) { g_array_index(cache->usual, GuestPa, i), tables[i]->bytes, TABLE_BYTES };
    }
    done = n > 0 && vmm_read_extents(cache->reader, reads, n, NULL);
    for (guint i = 0; i < n; i++)
        if (done)
            keep_table(cache, reads[i].pa, tables[i]);
        else
            g_free(tables[i]);
}

void
intro_table_cache_hold(IntroTableCache *cache)
{
    if (cache->held != NULL)
        return;
    cache->held = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    read_usual_tables(cache);
}

void
intro_table_cache_release(IntroTableCache *cache)
{
    GHashTableIter tables;
    gpointer pa, table;

    if (cache->held == NULL)
        return;
    g_array_set_size(cache->usual, 0);
    g_hash_table_iter_init(&tables, cache->held);
    while (cache->usual->len < MAX_USUAL_TABLES && g_hash_table_iter_next(&tables, &pa, &table)) {
        GuestPa usual = guest_pa(*(const guint64 *) pa);

        if (((const Table *) table)->is_used)
            g_array_append_val(cache->usual, usual);
    }
    g_clear_pointer(&cache->held, g_hash_table_unref);
}

static const guint8 *
held_table(const IntroTableCache *cache, guint64 pa, GError **error)
{
    Table *table = g_hash_table_lookup(cache->held, &pa);
    g_autofree Table *new = NULL;

    if (table == NULL) {
        table = new = new_table();
        if (!vmm_read(cache->reader, guest_pa(pa), table->bytes, TABLE_BYTES, error))
            return NULL;
        if (g_hash_table_size(cache->held) >= MAX_HELD_TABLES)
            g_hash_table_remove_all(cache->held);
        keep_table(cache, guest_pa(pa), g_steal_pointer(&new));
    }
    table->is_used = TRUE;
    return table->bytes;
}

gboolean
intro_table_cache_read(const IntroTableCache *cache, const VmmExtent *entries, guint n_entries, GError **error)
{
    if (cache->held == NULL)
        return n_entries == 0 || vmm_read_extents(cache->reader, entries, n_entries, error);
    for (guint i = 0; i < n_entries; i++) {
        guint64 offset = entries[i].pa.value % TABLE_BYTES;
        const guint8 *table = held_table(cache, entries[i].pa.value - offset, error);

        if (table == NULL)
            return FALSE;
        memcpy(entries[i].buffer, table + offset, entries[i].length);
    }
    return TRUE;
}
