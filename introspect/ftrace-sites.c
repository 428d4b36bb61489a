/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/ftrace-sites.h"

#include "introspect/cursor.h"

/* Beyond any real guest. */
#define MAX_PAGES           65536
#define MAX_SITES           (1U << 20)
#define MAX_RECORD_BYTES    64

typedef struct {
    gsize next, records, index;     /* of struct ftrace_page */
    gsize record_bytes, flags;      /* of struct dyn_ftrace */
    guint32 enabled;                /* a flag */
} Layout;

static gboolean
find_layout(const IntroBtf *btf, Layout *layout, GError **error)
{
    gint64 enabled;

    if (!intro_btf_offset(btf, "ftrace_page", "next", &layout->next, error)
        || !intro_btf_offset(btf, "ftrace_page", "records", &layout->records, error)
        || !intro_btf_offset(btf, "ftrace_page", "index", &layout->index, error)
        || !intro_btf_size(btf, "dyn_ftrace", &layout->record_bytes, error)
        || !intro_btf_offset(btf, "dyn_ftrace", "flags", &layout->flags, error)
        || !intro_btf_enumerator(btf, "FTRACE_FL_ENABLED", &enabled, error))
        return FALSE;
    layout->enabled = (guint32) enabled;
    if (layout->record_bytes <= MAX_RECORD_BYTES && layout->flags + sizeof(guint64) <= layout->record_bytes)
        return TRUE;
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's struct dyn_ftrace makes no sense");
    return FALSE;
}

static gboolean
count_page(const IntroKernel *kernel, const Layout *layout, GuestVa records, guint32 n, guint *n_calls, GError **error)
{
    gsize length = (gsize) n * layout->record_bytes;
    g_autofree guint8 *bytes = g_malloc(length + 1);

    if (!intro_space_read(intro_kernel_space(kernel), records, bytes, length, error))
        return FALSE;
    for (gsize at = 0; at < length; at += layout->record_bytes)
        *n_calls += (intro_word(bytes + at + layout->flags) & layout->enabled) != 0;
    return TRUE;
}

gboolean
intro_ftrace_sites_count(const IntroKernel *kernel, guint *n_sites, guint *n_calls, GError **error)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    GuestVa page, records;
    Layout layout;
    guint32 n;

    *n_sites = *n_calls = 0;
    if (!intro_symbols_address(intro_kernel_symbols(kernel), "ftrace_pages_start", &page, NULL))
        return TRUE;
    if (!find_layout(intro_kernel_btf(kernel), &layout, error) || !intro_space_read_u64(space, page, &page, error))
        return FALSE;
    for (guint i = 0; page != 0; i++) {
        if (!intro_space_read_u64(space, page + layout.records, &records, error)
            || !intro_space_read_u32(space, page + layout.index, &n, error))
            return FALSE;
        if (i == MAX_PAGES || n > MAX_SITES - *n_sites) {
            g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                                "the guest's list of functions that can be traced does not end");
            return FALSE;
        }
        if (!count_page(kernel, &layout, records, n, n_calls, error)
            || !intro_space_read_u64(space, page + layout.next, &page, error))
            return FALSE;
        *n_sites += n;
    }
    return TRUE;
}
