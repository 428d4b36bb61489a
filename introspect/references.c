/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/references.h"

#include "introspect/cursor.h"
#include "introspect/stack-facts.h"

#define MODULES_END 0xffffffffff000000ULL       /* MODULES_END of asm/pgtable_64_types.h, where it is highest */
#define CHUNK_BYTES (256u << 10)
#define LARGE_PAGE_BYTES (2ULL << 20)
#define MAX_BYTES (512u << 20)
#define MAX_RUNS (1u << 16)

typedef struct {
    const IntroKernel *kernel;
    IntroReferenceFilter filter;
    gconstpointer data;
    GArray *found;
    IntroRegion stack;          /* of the first task, which lies among the variables */
    guint8 *chunk;
    guint64 bytes;              /* looked at so far */
    guint runs;
} Search;

static void
search_words(Search *search, GuestVa va, gsize length)
{
    for (gsize i = 0; i + sizeof(guint64) <= length; i += sizeof(guint64)) {
        IntroReference reference = { va + i, intro_word(search->chunk + i) };

        if (reference.to != 0 && search->filter(reference.to, search->data)
            && !(reference.at >= search->stack.start && reference.at < search->stack.end))
            g_array_append_val(search->found, reference);
    }
}

/* What is not there any more when it is read, was no variable's place for long. */
static void
search_run(Search *search, GuestVa va, guint64 length)
{
    for (guint64 done = 0; done < length;) {
        gsize part = (gsize) MIN(length - done, CHUNK_BYTES);

        if (intro_space_read(intro_kernel_space(search->kernel), va + done, search->chunk, part, NULL))
            search_words(search, va + done, part);
        done += part;
    }
}

static gboolean
count_run(Search *search, const IntroMapping *run, GError **error)
{
    search->bytes += run->writable ? run->length : 0;
    if (search->bytes <= MAX_BYTES && ++search->runs <= MAX_RUNS)
        return TRUE;
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                        "the guest's kernel claims to have more variables than there can be");
    return FALSE;
}

/* All that can be written to between START and END. */
static gboolean
search_writable(Search *search, GuestVa start, GuestVa end, GError **error)
{
    g_autoptr(GError) failure = NULL;
    IntroMapping run;

    while (intro_space_next_mapping(intro_kernel_space(search->kernel), &start, end, &run, &failure)) {
        if (!count_run(search, &run, error))
            return FALSE;
        if (run.writable)
            search_run(search, run.va, run.length);
    }
    if (failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* Of the image. */
typedef struct {
    GuestVa data, data_end, bss, bss_end, end;
    IntroRegion given_back;     /* of bss: to the allocator, at boot, so that what others have there is no variable */
    IntroRegion stack;
} Places;

static gboolean
find_places(const IntroKernel *kernel, Places *places, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);

    if (facts == NULL || !intro_symbols_address(symbols, "_sdata", &places->data, error)
        || !intro_symbols_address(symbols, "_edata", &places->data_end, error)
        || !intro_symbols_address(symbols, "__bss_start", &places->bss, error)
        || !intro_symbols_address(symbols, "__bss_stop", &places->bss_end, error)
        || !intro_symbols_address(symbols, "_end", &places->end, error)
        || !intro_symbols_address(symbols, "init_stack", &places->stack.start, error))
        return FALSE;
    places->stack.end = places->stack.start + facts->task_stack_bytes;
    if (!intro_symbols_address(symbols, "__start_bss_decrypted_unused", &places->given_back.start, NULL)
        || !intro_symbols_address(symbols, "__end_bss_decrypted", &places->given_back.end, NULL)
        || places->given_back.start < places->bss || places->given_back.end > places->bss_end
        || places->given_back.start > places->given_back.end)
        places->given_back = (IntroRegion) { places->bss_end, places->bss_end };
    return TRUE;
}

gboolean
intro_references_are_known(const IntroKernel *kernel, GError **error)
{
    Places places;

    return find_places(kernel, &places, error);
}

gboolean
intro_references_find(const IntroKernel *kernel, IntroReferenceFilter filter, gconstpointer data, GArray *found, GError **error)
{
    g_autofree guint8 *chunk = g_malloc(CHUNK_BYTES);
    Search search = { .kernel = kernel, .filter = filter, .data = data, .found = found, .chunk = chunk };
    GuestVa modules;
    Places places;

    if (!find_places(kernel, &places, error))
        return FALSE;
    search.stack = places.stack;
    /* What is behind the image in its last large page stays mapped there, but is the allocator's. */
    modules = (places.end + LARGE_PAGE_BYTES - 1) & ~(LARGE_PAGE_BYTES - 1);
    return search_writable(&search, places.data, places.data_end, error)
        && search_writable(&search, places.bss, places.given_back.start, error)
        && search_writable(&search, places.given_back.end, places.bss_end, error)
        && search_writable(&search, modules, MODULES_END, error);
}
