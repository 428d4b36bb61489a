/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unused parts of the kernel's image: the part of kernel.h that finds them.
 *
 * The linker script aligns some pieces of the image to 2 MiB, because their pages are mapped differently; what it skips
 * before them stays mapped, is never given back to the page allocator, and belongs to nothing
 * (arch/x86/kernel/vmlinux.lds.S: entry text, .bss..decrypted). Every kernel has tails: what the last function before
 * such a hole, the text, and the data leave of their last page.
 *
 * What is in a hole is not looked at: it stays a hole when somebody has put it to use.
 */
#include "introspect/kernel.h"

#define PAGE_BYTES 4096
#define ALIGNED_BYTES (2ULL << 20)
/* Longer than any function, so that the space behind one is a hole and no part of it. */
#define MIN_HOLE_BYTES (64U << 10)

typedef struct {
    const IntroKernel *kernel;
    GArray *found;              /* of IntroHole */
    gboolean tails;             /* what is looked for: tails, or else holes */
} Search;

static GuestVa
page_up(GuestVa va)
{
    return (va + PAGE_BYTES - 1) & ~(GuestVa) (PAGE_BYTES - 1);
}

static GuestVa
page_down(GuestVa va)
{
    return va & ~(GuestVa) (PAGE_BYTES - 1);
}

static gboolean
address_of(const Search *search, const char *name, GuestVa *va)
{
    return intro_symbols_address(intro_kernel_symbols(search->kernel), name, va, NULL);
}

/* Adds the whole pages of START to END, as far as they are mapped as they should be. */
static gboolean
add_holes(Search *search, GuestVa start, GuestVa end, gboolean executable, GError **error)
{
    GuestVa va = page_up(start);
    GError *local_error = NULL;
    IntroMapping run;

    end = page_down(end);
    while (va < end && intro_space_next_mapping(intro_kernel_space(search->kernel), &va, end, &run, &local_error)) {
        IntroHole hole = { run.va, run.pa, run.length, executable };

        if (run.length >= MIN_HOLE_BYTES && run.executable == executable && run.writable == !executable)
            g_array_append_val(search->found, hole);
    }
    if (local_error == NULL)
        return TRUE;
    g_propagate_error(error, local_error);
    return FALSE;
}

/* Adds what is left of the page that START is in, if it is mapped as it should be. */
static void
add_tail(Search *search, GuestVa start, gboolean executable)
{
    IntroHole tail = { .va = start, .length = page_up(start) - start, .executable = executable };
    IntroMapping mapping;

    if (tail.length == 0 || !intro_space_translate(intro_kernel_space(search->kernel), start, &mapping, NULL) ||
        mapping.length < tail.length || mapping.executable != executable || mapping.writable == executable)
        return;
    tail.pa = mapping.pa;
    g_array_append_val(search->found, tail);
}

static gboolean
add(Search *search, GuestVa start, GuestVa end, gboolean executable, GError **error)
{
    if (!search->tails)
        return add_holes(search, start, end, executable, error);
    add_tail(search, start, executable);
    return TRUE;
}

/* Whether VA is where the last of something ends, and nothing begins in the rest of its page. */
static gboolean
is_last_in_page(const Search *search, GuestVa va)
{
    const IntroSymbol *last = intro_symbols_at(intro_kernel_symbols(search->kernel), page_up(va) - 1, NULL);

    return va % PAGE_BYTES != 0 && last != NULL && last->va <= va;
}

/* ---- Text: the unwind data says where code ends ---- */

/* The instruction that entry INDEX of the unwind data begins at. */
static gboolean
read_unwind_ip(const Search *search, GuestVa table, guint64 index, GuestVa *ip, GError **error)
{
    GuestVa entry = table + index * sizeof(guint32);
    guint32 offset;

    if (!intro_space_read_u32(intro_kernel_space(search->kernel), entry, &offset, error))
        return FALSE;
    *ip = entry + (GuestVa) (gint64) (gint32) offset;
    return TRUE;
}

/* Where the unwind data's last entry before END begins, which marks the end of the code there: moves *START up to it. */
static gboolean
skip_code(const Search *search, GuestVa *start, GuestVa end, GError **error)
{
    guint64 low = 0, high;
    GuestVa table, table_end, ip;

    if (!address_of(search, "__start_orc_unwind_ip", &table)
        || !address_of(search, "__stop_orc_unwind_ip", &table_end) || table_end <= table) {
        /* Without unwind data, all that is known is that no function comes near to this length. */
        *start += MIN_HOLE_BYTES;
        return TRUE;
    }
    high = (table_end - table) / sizeof(guint32);
    while (low < high) {
        guint64 middle = low + (high - low) / 2;

        if (!read_unwind_ip(search, table, middle, &ip, error))
            return FALSE;
        if (ip < end)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return TRUE;
    if (!read_unwind_ip(search, table, low - 1, &ip, error))
        return FALSE;
    *start = MAX(*start, ip);
    return TRUE;
}

static gboolean
find_text_holes(Search *search, GError **error)
{
    gsize n_symbols;
    const IntroSymbol *symbols = intro_symbols_all(intro_kernel_symbols(search->kernel), &n_symbols);
    GuestVa text, text_end;

    if (!address_of(search, "_stext", &text) || !address_of(search, "_etext", &text_end))
        return TRUE;
    for (gsize i = 0; i < n_symbols; i++) {
        const IntroSymbol *symbol = symbols + i;
        GuestVa start = symbol->va, end = symbol->va + symbol->size;

        if (symbol->module != NULL || start < text || end > text_end || symbol->size < MIN_HOLE_BYTES
            || (i > 0 && symbols[i - 1].va == start))
            continue;
        if (!skip_code(search, &start, end, error) || (start < end && !add(search, start, end, TRUE, error)))
            return FALSE;
    }
    if (search->tails && is_last_in_page(search, text_end))
        add_tail(search, text_end, TRUE);
    return TRUE;
}

/* ---- Data: nothing says how long a variable is ---- */

/* The size of the largest variable from START to END, if each reaches to the next. */
static guint64
largest_symbol(const Search *search, GuestVa start, GuestVa end)
{
    gsize n_symbols;
    const IntroSymbol *symbols = intro_symbols_all(intro_kernel_symbols(search->kernel), &n_symbols);
    guint64 largest = 0;

    for (gsize i = 0; i < n_symbols; i++)
        if (symbols[i].module == NULL && symbols[i].va >= start && symbols[i].va < end)
            largest = MAX(largest, symbols[i].size);
    return largest;
}

/* The one before the aligned part of .bss. How far the last variable before it reaches, is written nowhere: it is taken
 * to be as large as the largest of all others in .bss. */
static gboolean
find_bss_hole(Search *search, GError **error)
{
    const IntroSymbol *last;
    GuestVa bss, end;

    if (!address_of(search, "__bss_start", &bss) || !address_of(search, "__start_bss_decrypted", &end)
        || end <= bss || end % ALIGNED_BYTES != 0)
        return TRUE;
    last = intro_symbols_at(intro_kernel_symbols(search->kernel), end - 1, NULL);
    if (last == NULL || last->va < bss || last->size >= ALIGNED_BYTES)
        return TRUE;
    return add_holes(search, last->va + largest_symbol(search, bss, last->va), end, FALSE, error);
}

/* The data proper end with tables, whose ends are symbols too; what comes behind them begins with a page. */
static void
find_data_tail(Search *search)
{
    static const char *const ends[] = { "_edata", "__stop___bug_table", "__stop_orc_unwind", "orc_lookup_end" };
    GuestVa last = 0, end;

    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++)
        if (address_of(search, ends[i], &end))
            last = MAX(last, end);
    if (last != 0 && is_last_in_page(search, last))
        add_tail(search, last, FALSE);
}

/* ---- */

static gint
compare_lengths(gconstpointer a, gconstpointer b)
{
    const IntroHole *left = a, *right = b;

    return left->length > right->length ? -1 : left->length < right->length;
}

GArray *
intro_kernel_holes(const IntroKernel *kernel, GError **error)
{
    g_autoptr(GArray) holes = g_array_new(FALSE, FALSE, sizeof(IntroHole));
    Search search = { kernel, holes, FALSE };

    if (!find_text_holes(&search, error) || !find_bss_hole(&search, error))
        return NULL;
    g_array_sort(holes, compare_lengths);
    return g_steal_pointer(&holes);
}

GArray *
intro_kernel_tails(const IntroKernel *kernel, GError **error)
{
    g_autoptr(GArray) tails = g_array_new(FALSE, FALSE, sizeof(IntroHole));
    Search search = { kernel, tails, TRUE };

    if (!find_text_holes(&search, error))
        return NULL;
    find_data_tail(&search);
    g_array_sort(tails, compare_lengths);
    return g_steal_pointer(&tails);
}
