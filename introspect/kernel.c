/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/kernel.h"

#include "introspect/generated.h"
#include "introspect/identity.h"
#include "introspect/image-tables.h"
#include "introspect/loaded.h"
#include "introspect/locate.h"
#include "introspect/stack-facts.h"
#include "introspect/task-struct.h"

#define MAX_CPUS 8192

struct IntroKernel {
    const VmmReader *reader;
    IntroSpace *space;
    IntroSymbols *symbols;
    IntroBtf *btf;
    GPtrArray *modules;         /* of IntroLoadedModule */
    GArray *text;               /* of IntroRegion, ascending */
    IntroIdentity identity;
    GuestVa text_start;
    guint n_cpus;

    /* Read when first asked for, which a const kernel can be, too. */
    struct {
        IntroTaskLayout *task_layout;
        IntroStackFacts *stack_facts;
        GError *no_stack_facts; /* why there are none: each of thousands of stacks asks again */
        GArray *generated;      /* of IntroGenerated */
    } *late;
};

/* ---- State and page tables ---- */

/* A process's page tables go away with it; the kernel's own stay. */
static gboolean
use_kernel_page_tables(IntroKernel *kernel, const IntroImage *image, GError **error)
{
    IntroMapping text;
    GuestPa root, expected;
    GuestVa va;

    if (!intro_symbols_address(kernel->symbols, "init_top_pgt", &va, error)
        || !intro_image_translate(image, va, sizeof(guint64), &root, error)
        || !intro_image_translate(image, kernel->text_start, 1, &expected, error))
        return FALSE;
    kernel->space = intro_space_new(kernel->reader, root, image->five_levels);
    if (!intro_space_translate(kernel->space, kernel->text_start, &text, error))
        return FALSE;
    if (text.pa.value == expected.value)
        return TRUE;
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                        "the kernel's own page tables do not agree with those that a vCPU uses");
    return FALSE;
}

static gboolean
check_running(IntroKernel *kernel, const IntroImage *image, GError **error)
{
    guint32 state;
    gint64 running;
    GuestVa va;
    GuestPa pa;

    if (!intro_symbols_address(kernel->symbols, "system_state", &va, error)
        || !intro_image_translate(image, va, sizeof state, &pa, error)
        || !vmm_read(kernel->reader, pa, &state, sizeof state, error)
        || !intro_btf_enumerator(kernel->btf, "SYSTEM_RUNNING", &running, error))
        return FALSE;
    if (GUINT32_FROM_LE(state) >= running)
        return TRUE;
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_BOOTING,
                        "the guest's kernel is still booting; try again when it is up");
    return FALSE;
}

/* With encryption on, what lies in memory is not what the guest sees. */
static gboolean
check_not_encrypted(const IntroKernel *kernel, GError **error)
{
    static const char *const names[] = { "sme_me_mask", "sev_status", "cc_mask" };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        guint64 value;
        GuestVa va;

        if (!intro_symbols_address(kernel->symbols, names[i], &va, NULL))
            continue;
        if (!intro_space_read_u64(kernel->space, va, &value, error))
            return FALSE;
        if (value != 0) {
            g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                        "the guest's memory is encrypted (%s is not 0)", names[i]);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
read_n_cpus(IntroKernel *kernel, GError **error)
{
    guint32 n_cpus = 1;
    GuestVa va;

    /* A kernel for one CPU only has no such variable. */
    if (intro_symbols_address(kernel->symbols, "nr_cpu_ids", &va, NULL)
        && !intro_space_read_u32(kernel->space, va, &n_cpus, error))
        return FALSE;
    if (n_cpus == 0 || n_cpus > MAX_CPUS) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's kernel claims to have %u CPUs", n_cpus);
        return FALSE;
    }
    kernel->n_cpus = n_cpus;
    return TRUE;
}

/* ---- Modules and text ---- */

static gboolean
read_modules(IntroKernel *kernel, GError **error)
{
    GPtrArray *groups;

    if (!intro_loaded_read(kernel->space, kernel->symbols, kernel->btf, &kernel->modules, &groups, error))
        return FALSE;
    intro_symbols_add_modules(kernel->symbols, groups);
    return TRUE;
}

static gint
compare_regions(gconstpointer a, gconstpointer b)
{
    const IntroRegion *left = a, *right = b;

    return left->start < right->start ? -1 : left->start > right->start;
}

static void
add_text_between(IntroKernel *kernel, const char *first, const char *last)
{
    IntroRegion region;

    if (intro_symbols_address(kernel->symbols, first, &region.start, NULL)
        && intro_symbols_address(kernel->symbols, last, &region.end, NULL) && region.start < region.end)
        g_array_append_val(kernel->text, region);
}

/* Regions that overlap become one, so that they can be searched. */
static void
collect_text(IntroKernel *kernel)
{
    guint kept = 0;

    add_text_between(kernel, "_stext", "_etext");
    add_text_between(kernel, "__entry_text_start", "__entry_text_end");
    for (guint i = 0; i < kernel->modules->len; i++) {
        const IntroLoadedModule *loaded = g_ptr_array_index(kernel->modules, i);

        g_array_append_vals(kernel->text, loaded->text->data, loaded->text->len);
    }
    g_array_sort(kernel->text, compare_regions);
    for (guint i = 1; i < kernel->text->len; i++) {
        IntroRegion *last = &g_array_index(kernel->text, IntroRegion, kept);
        const IntroRegion *region = &g_array_index(kernel->text, IntroRegion, i);

        if (region->start <= last->end)
            last->end = MAX(last->end, region->end);
        else
            g_array_index(kernel->text, IntroRegion, ++kept) = *region;
    }
    g_array_set_size(kernel->text, MIN(kept + 1, kernel->text->len));
}

/* ---- The facade ---- */

static gboolean
attach(IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroImage) image = intro_image_locate(kernel->reader, error);

    return image != NULL
        && intro_image_read_tables(kernel->reader, image, &kernel->symbols, &kernel->btf, error)
        && intro_symbols_address(kernel->symbols, "_text", &kernel->text_start, error)
        && check_running(kernel, image, error)
        && use_kernel_page_tables(kernel, image, error)
        && check_not_encrypted(kernel, error)
        && intro_identity_read(kernel->space, kernel->symbols, kernel->btf, &kernel->identity, error)
        && read_n_cpus(kernel, error)
        && read_modules(kernel, error);
}

IntroKernel *
intro_kernel_attach(const VmmReader *reader, GError **error)
{
    g_autoptr(IntroKernel) kernel = g_new0(IntroKernel, 1);

    kernel->reader = reader;
    kernel->text = g_array_new(FALSE, FALSE, sizeof(IntroRegion));
    kernel->late = g_malloc0(sizeof *kernel->late);
    if (!attach(kernel, error))
        return NULL;
    collect_text(kernel);
    return g_steal_pointer(&kernel);
}

void
intro_kernel_free(IntroKernel *kernel)
{
    if (kernel == NULL)
        return;
    intro_stack_facts_free(kernel->late->stack_facts);
    g_clear_error(&kernel->late->no_stack_facts);
    g_free(kernel->late->task_layout);
    g_clear_pointer(&kernel->late->generated, g_array_unref);
    g_free(kernel->late);
    intro_space_free(kernel->space);
    intro_symbols_free(kernel->symbols);
    intro_btf_free(kernel->btf);
    intro_identity_clear(&kernel->identity);
    g_clear_pointer(&kernel->modules, g_ptr_array_unref);
    g_array_unref(kernel->text);
    g_free(kernel);
}

const VmmReader *
intro_kernel_reader(const IntroKernel *kernel)
{
    return kernel->reader;
}

const IntroSpace *
intro_kernel_space(const IntroKernel *kernel)
{
    return kernel->space;
}

const IntroSymbols *
intro_kernel_symbols(const IntroKernel *kernel)
{
    return kernel->symbols;
}

const IntroBtf *
intro_kernel_btf(const IntroKernel *kernel)
{
    return kernel->btf;
}

void
intro_kernel_hold(IntroKernel *kernel)
{
    g_clear_pointer(&kernel->late->generated, g_array_unref);
    intro_space_hold(kernel->space);
}

void
intro_kernel_let_go(IntroKernel *kernel)
{
    intro_space_release(kernel->space);
}

GPtrArray *
intro_kernel_modules(const IntroKernel *kernel)
{
    return kernel->modules;
}

const char *
intro_kernel_release(const IntroKernel *kernel)
{
    return kernel->identity.release;
}

const char *
intro_kernel_version(const IntroKernel *kernel)
{
    return kernel->identity.version;
}

const char *
intro_kernel_build_id(const IntroKernel *kernel)
{
    return kernel->identity.build_id;
}

GuestVa
intro_kernel_text_start(const IntroKernel *kernel)
{
    return kernel->text_start;
}

guint64
intro_kernel_kaslr_offset(const IntroKernel *kernel)
{
    return kernel->identity.kaslr_offset;
}

guint
intro_kernel_n_cpus(const IntroKernel *kernel)
{
    return kernel->n_cpus;
}

gboolean
intro_kernel_is_text(const IntroKernel *kernel, GuestVa va)
{
    guint low = 0, high = kernel->text->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const IntroRegion *region = &g_array_index(kernel->text, IntroRegion, middle);

        if (va < region->start)
            high = middle;
        else if (va >= region->end)
            low = middle + 1;
        else
            return TRUE;
    }
    return FALSE;
}

const IntroTaskLayout *
intro_kernel_task_layout(const IntroKernel *kernel, GError **error)
{
    if (kernel->late->task_layout == NULL)
        kernel->late->task_layout = intro_task_layout_new(kernel, error);
    return kernel->late->task_layout;
}

const IntroStackFacts *
intro_kernel_stack_facts(const IntroKernel *kernel, GError **error)
{
    if (kernel->late->stack_facts == NULL && kernel->late->no_stack_facts == NULL)
        kernel->late->stack_facts = intro_stack_facts_new(kernel, &kernel->late->no_stack_facts);
    if (kernel->late->stack_facts == NULL)
        g_propagate_error(error, g_error_copy(kernel->late->no_stack_facts));
    return kernel->late->stack_facts;
}

const GArray *
intro_kernel_generated(const IntroKernel *kernel)
{
    g_autoptr(GError) unreadable = NULL;

    if (kernel->late->generated == NULL)
        kernel->late->generated = intro_generated_read(kernel, &unreadable);
    if (kernel->late->generated == NULL) {
        g_debug("%s", unreadable->message);
        kernel->late->generated = g_array_new(FALSE, FALSE, sizeof(IntroGenerated));
    }
    return kernel->late->generated;
}

char *
intro_kernel_describe(const IntroKernel *kernel, GuestVa va, gboolean is_return)
{
    const IntroGenerated *generated = NULL;

    if (!intro_kernel_is_text(kernel, va))
        generated = intro_generated_at(intro_kernel_generated(kernel), is_return ? va - 1 : va);
    if (generated == NULL)
        return intro_symbols_describe(kernel->symbols, va, is_return);
    return g_strdup_printf("%s+0x%" G_GINT64_MODIFIER "x/0x%" G_GINT64_MODIFIER "x", generated->name,
                           va - generated->start, generated->end - generated->start);
}
