/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sites that a kernel rewrites while it runs: that part of condition.h. */
#include "introspect/condition.h"

#include "introspect/cursor.h"
#include "introspect/ftrace-sites.h"

#define MAX_TABLE_BYTES (16U << 20)
#define MAX_PROBES 65536
#define MAX_TRACERS 4096
#define MAX_BUCKETS 4096
#define CODE_BYTES 2        /* of an instruction, are enough to tell what it is */

/* Sites that the linker lists: symbols around the table, the type of its entries, and what to look for. */
typedef struct {
    const char *first, *last, *entry;
    gboolean (*matches)(const guint8 *code);
} SiteTable;

static gboolean
is_jump(const guint8 *code)
{
    return code[0] == 0xeb || code[0] == 0xe9;
}

/* A nop; one that sets a result of 0, with prefixes before it; or a return. */
static gboolean
is_no_call(const guint8 *code)
{
    return (code[0] == 0x0f && code[1] == 0x1f) || code[0] == 0x2e || code[0] == 0x66 || code[0] == 0xc3;
}

static const SiteTable static_keys = { "__start___jump_table", "__stop___jump_table", "jump_entry", is_jump };
static const SiteTable static_calls = {
    "__start_static_call_sites", "__stop_static_call_sites", "static_call_site", is_no_call,
};

static gboolean
too_many(const char *what, GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's kernel has a list of %s that does not end", what);
    return FALSE;
}

/* One of the linker's tables, whole. NULL without an error if the kernel has none. */
static GBytes *
read_table(const IntroKernel *kernel, const char *first, const char *last, GuestVa *va, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    g_autofree guint8 *bytes = NULL;
    GuestVa end;

    if (!intro_symbols_address(symbols, first, va, NULL) || !intro_symbols_address(symbols, last, &end, NULL)
        || end <= *va)
        return NULL;
    if (end - *va > MAX_TABLE_BYTES) {
        too_many(first, error);
        return NULL;
    }
    bytes = g_malloc(end - *va);
    if (!intro_space_read(intro_kernel_space(kernel), *va, bytes, end - *va, error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&bytes), end - *va);
}

/* The sites of a table whose entries begin with the distance from there to their site. Those in text that was needed at
 * boot only are left out. */
static GArray *
list_sites(const IntroKernel *kernel, GBytes *table, GuestVa va, gsize entry_bytes)
{
    GArray *sites = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    IntroCursor cursor = intro_cursor(g_bytes_get_data(table, NULL), g_bytes_get_size(table));
    guint32 distance;

    for (gsize at = 0; intro_cursor_seek(&cursor, at) && intro_cursor_u32(&cursor, &distance); at += entry_bytes) {
        GuestVa site = va + at + (GuestVa) (gint64) (gint32) distance;

        if (intro_kernel_is_text(kernel, site))
            g_array_append_val(sites, site);
    }
    return sites;
}

static gboolean
count_matching(const IntroKernel *kernel, GArray *sites, gboolean (*matches)(const guint8 *code), guint *n_matching,
               GError **error)
{
    g_autofree guint8 *bytes = g_malloc0(sites->len * CODE_BYTES + 1);
    g_autofree IntroExtent *extents = g_new(IntroExtent, sites->len);

    for (guint i = 0; i < sites->len; i++)
        extents[i] = (IntroExtent) { g_array_index(sites, GuestVa, i), bytes + i * CODE_BYTES, CODE_BYTES };
    if (!intro_space_read_extents(intro_kernel_space(kernel), extents, sites->len, error))
        return FALSE;
    for (guint i = 0; i < sites->len; i++)
        *n_matching += matches(bytes + i * CODE_BYTES);
    return TRUE;
}

/* What of the image's sites of one kind is in the state that MATCHES tells by the code there. */
static gboolean
count_sites(const IntroKernel *kernel, const SiteTable *kind, guint *n_sites, guint *n_matching, GError **error)
{
    g_autoptr(GArray) sites = NULL;
    g_autoptr(GBytes) table = NULL;
    GError *local_error = NULL;
    gsize entry_bytes;
    GuestVa va;

    if (!intro_btf_size(intro_kernel_btf(kernel), kind->entry, &entry_bytes, NULL) || entry_bytes < sizeof(guint32))
        return TRUE;
    table = read_table(kernel, kind->first, kind->last, &va, &local_error);
    if (table == NULL) {
        if (local_error != NULL)
            g_propagate_error(error, local_error);
        return local_error == NULL;
    }
    sites = list_sites(kernel, table, va, entry_bytes);
    *n_sites = sites->len;
    return count_matching(kernel, sites, kind->matches, n_matching, error);
}

/* A hash table's chains, each ended by 0. */
static gboolean
count_probes(const IntroKernel *kernel, guint *n_probes, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const IntroSymbol *symbol;
    GuestVa table;

    if (!intro_symbols_address(symbols, "kprobe_table", &table, NULL))
        return TRUE;
    symbol = intro_symbols_at(symbols, table, NULL);
    for (guint64 i = 0; symbol != NULL && i < MIN(symbol->size / sizeof(guint64), MAX_BUCKETS); i++) {
        GuestVa link;

        if (!intro_space_read_u64(intro_kernel_space(kernel), table + i * sizeof link, &link, error))
            return FALSE;
        for (; link != 0; ++*n_probes)
            if (*n_probes > MAX_PROBES)
                return too_many("kprobes", error);
            else if (!intro_space_read_u64(intro_kernel_space(kernel), link, &link, error))
                return FALSE;
    }
    return TRUE;
}

static gboolean
count_tracers(const IntroKernel *kernel, guint *n_tracers, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const IntroSpace *space = intro_kernel_space(kernel);
    GuestVa list, end, ops;
    gsize next;

    if (!intro_symbols_address(symbols, "ftrace_ops_list", &list, NULL)
        || !intro_symbols_address(symbols, "ftrace_list_end", &end, NULL)
        || !intro_btf_offset(intro_kernel_btf(kernel), "ftrace_ops", "next", &next, NULL))
        return TRUE;
    if (!intro_space_read_u64(space, list, &ops, error))
        return FALSE;
    for (; ops != end && ops != 0; ++*n_tracers)
        if (*n_tracers > MAX_TRACERS)
            return too_many("tracers", error);
        else if (!intro_space_read_u64(space, ops + next, &ops, error))
            return FALSE;
    return TRUE;
}

gboolean
intro_live_text_read(const IntroKernel *kernel, IntroLiveText *text, GError **error)
{
    GuestVa va;
    guint8 removed = 0;

    *text = (IntroLiveText) { 0 };
    if (!count_sites(kernel, &static_keys, &text->n_static_keys, &text->n_static_keys_jumping, error)
        || !count_sites(kernel, &static_calls, &text->n_static_calls, &text->n_static_calls_off, error))
        return FALSE;
    if (intro_symbols_address(intro_kernel_symbols(kernel), "uniproc_patched", &va, NULL)
        && !intro_space_read(intro_kernel_space(kernel), va, &removed, sizeof removed, error))
        return FALSE;
    text->lock_prefixes_removed = removed != 0;
    return intro_ftrace_sites_count(kernel, &text->n_ftrace_sites, &text->n_ftrace_calls, error)
           && count_probes(kernel, &text->n_kprobes, error) && count_tracers(kernel, &text->n_tracers, error);
}
