/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/generated.h"

#include "introspect/cursor.h"

/* Beyond any real guest. */
#define MAX_LIST            65536
#define MAX_ELEMENT_BYTES   4096
#define MAX_NAME_BYTES      1024
#define MAX_CODE_BYTES      (16U << 20)

#define ATTEMPTS            5           /* to read lists that change meanwhile */
#define PAGE_BYTES          4096        /* what kprobes allocate at a time */
#define PROLOGUE_BYTES      64          /* BPF's code has made its frame by then */

typedef struct {
    const IntroKernel *kernel;
    GArray *found;              /* of IntroGenerated */
} Reader;

static void
clear_generated(gpointer data)
{
    g_free(((IntroGenerated *) data)->name);
}

static gboolean
is_kernel_half(GuestVa va)
{
    return va >> 63;
}

static gboolean
add(Reader *reader, GuestVa start, GuestVa end, IntroGeneratedKind kind, const char *name, const char *module)
{
    IntroGenerated generated = { .start = start, .end = end, .kind = kind, .module = module };

    if (!is_kernel_half(start) || end <= start || end - start > MAX_CODE_BYTES)
        return FALSE;
    generated.name = g_strdup(name);
    g_array_append_val(reader->found, generated);
    return TRUE;
}

/* ---- The kernel's lists ---- */

typedef struct {
    const char *what;           /* for messages */
    gsize bytes, link;          /* of an element: size, and where its list_head lies */
    gpointer data;
    /* FALSE if that can be no element. */
    gboolean (*visit)(Reader *reader, const guint8 *element, gpointer data);
} ListFormat;

static gboolean
corrupt(const ListFormat *format, const char *how, GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's list of %s %s", format->what, how);
    return FALSE;
}

static gboolean
walk(Reader *reader, GuestVa head, const ListFormat *format, GError **error)
{
    const IntroSpace *space = intro_kernel_space(reader->kernel);
    guint8 element[MAX_ELEMENT_BYTES];
    GuestVa link;

    if (format->bytes > sizeof element || format->bytes < sizeof link || format->link > format->bytes - sizeof link)
        return corrupt(format, "has impossible elements", error);
    if (!intro_space_read_u64(space, head, &link, error))
        return FALSE;
    for (guint i = 0; link != head; i++) {
        if (i == MAX_LIST)
            return corrupt(format, "does not end", error);
        if (!intro_space_read(space, link - format->link, element, format->bytes, error))
            return FALSE;
        if (!format->visit(reader, element, format->data))
            return corrupt(format, "leads to something else", error);
        link = intro_word(element + format->link);
    }
    return TRUE;
}

/* ---- BPF ---- */

typedef struct {
    gsize start, end, name, name_bytes;
} BpfLayout;

static gboolean
visit_bpf(Reader *reader, const guint8 *element, gpointer data)
{
    const BpfLayout *layout = data;
    char name[MAX_NAME_BYTES + 1] = { 0 };

    memcpy(name, element + layout->name, layout->name_bytes);
    for (char *letter = name; *letter != '\0'; letter++)
        if (!g_ascii_isgraph(*letter))
            *letter = '?';
    return add(reader, intro_word(element + layout->start), intro_word(element + layout->end), INTRO_GENERATED_BPF, name,
               "bpf");
}

static gboolean
find_bpf_layout(const IntroBtf *btf, BpfLayout *layout, ListFormat *format, GError **error)
{
    IntroMember name;

    if (!intro_btf_size(btf, "bpf_ksym", &format->bytes, error)
        || !intro_btf_offset(btf, "bpf_ksym", "lnode", &format->link, error)
        || !intro_btf_offset(btf, "bpf_ksym", "start", &layout->start, error)
        || !intro_btf_offset(btf, "bpf_ksym", "end", &layout->end, error)
        || !intro_btf_member(btf, "bpf_ksym", "name", &name, error))
        return FALSE;
    layout->name = name.offset_bits / 8;
    layout->name_bytes = MIN(name.n_elements, MAX_NAME_BYTES);
    if (layout->start + sizeof(guint64) <= format->bytes && layout->end + sizeof(guint64) <= format->bytes
        && layout->name + layout->name_bytes <= format->bytes)
        return TRUE;
    return corrupt(format, "has impossible elements", error);
}

static gboolean
read_bpf(Reader *reader, GError **error)
{
    BpfLayout layout;
    ListFormat format = { .what = "BPF programs", .data = &layout, .visit = visit_bpf };
    GuestVa head;

    if (!intro_symbols_address(intro_kernel_symbols(reader->kernel), "bpf_kallsyms", &head, NULL))
        return TRUE;
    return find_bpf_layout(intro_kernel_btf(reader->kernel), &layout, &format, error)
           && walk(reader, head, &format, error);
}

/* ---- Tracers ---- */

typedef struct {
    gsize trampoline, size, flags;
    guint64 save_regs;          /* a flag */
    GuestVa caller, regs_caller;
} TracerLayout;

static gboolean
visit_tracer(Reader *reader, const guint8 *element, gpointer data)
{
    const TracerLayout *layout = data;
    GuestVa start = intro_word(element + layout->trampoline);
    guint64 flags = intro_word(element + layout->flags);

    if (start == 0)
        return TRUE;
    if (!add(reader, start, start + intro_word(element + layout->size), INTRO_GENERATED_TRACER, "ftrace_trampoline",
             "__builtin__ftrace"))
        return FALSE;
    g_array_index(reader->found, IntroGenerated, reader->found->len - 1).original =
        flags & layout->save_regs ? layout->regs_caller : layout->caller;
    return TRUE;
}

static gboolean
find_tracer_layout(const IntroKernel *kernel, TracerLayout *layout, ListFormat *format, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    gint64 save_regs;

    if (!intro_btf_size(btf, "ftrace_ops", &format->bytes, error)
        || !intro_btf_offset(btf, "ftrace_ops", "list", &format->link, error)
        || !intro_btf_offset(btf, "ftrace_ops", "trampoline", &layout->trampoline, error)
        || !intro_btf_offset(btf, "ftrace_ops", "trampoline_size", &layout->size, error)
        || !intro_btf_offset(btf, "ftrace_ops", "flags", &layout->flags, error)
        || !intro_btf_enumerator(btf, "FTRACE_OPS_FL_SAVE_REGS", &save_regs, error))
        return FALSE;
    layout->save_regs = save_regs;
    intro_symbols_address(intro_kernel_symbols(kernel), "ftrace_caller", &layout->caller, NULL);
    intro_symbols_address(intro_kernel_symbols(kernel), "ftrace_regs_caller", &layout->regs_caller, NULL);
    if (MAX(MAX(layout->trampoline, layout->size), layout->flags) + sizeof(guint64) <= format->bytes)
        return TRUE;
    return corrupt(format, "has impossible elements", error);
}

static gboolean
read_tracers(Reader *reader, GError **error)
{
    TracerLayout layout = { 0 };
    ListFormat format = { .what = "tracers' trampolines", .data = &layout, .visit = visit_tracer };
    GuestVa head;

    if (!intro_symbols_address(intro_kernel_symbols(reader->kernel), "ftrace_ops_trampoline_list", &head, NULL))
        return TRUE;
    return find_tracer_layout(reader->kernel, &layout, &format, error) && walk(reader, head, &format, error);
}

/* ---- Kprobes ---- */

typedef struct {
    gsize code;
    const char *name;
} KprobeLayout;

static gboolean
visit_kprobes(Reader *reader, const guint8 *element, gpointer data)
{
    const KprobeLayout *layout = data;
    GuestVa start = intro_word(element + layout->code);

    return add(reader, start, start + PAGE_BYTES, INTRO_GENERATED_KPROBES, layout->name, "__builtin__kprobes");
}

static gboolean
read_kprobes(Reader *reader, GError **error)
{
    static const struct {
        const char *cache, *name;
    } kinds[] = { { "kprobe_insn_slots", "kprobe_insn_page" }, { "kprobe_optinsn_slots", "kprobe_optinsn_page" } };
    const IntroBtf *btf = intro_kernel_btf(reader->kernel);

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        KprobeLayout layout = { .name = kinds[i].name };
        ListFormat format = { .what = "kprobes' pages", .data = &layout, .visit = visit_kprobes };
        GuestVa cache;
        gsize pages;

        if (!intro_symbols_address(intro_kernel_symbols(reader->kernel), kinds[i].cache, &cache, NULL))
            continue;
        if (!intro_btf_offset(btf, "kprobe_insn_cache", "pages", &pages, error)
            || !intro_btf_size(btf, "kprobe_insn_page", &format.bytes, error)
            || !intro_btf_offset(btf, "kprobe_insn_page", "list", &format.link, error)
            || !intro_btf_offset(btf, "kprobe_insn_page", "insns", &layout.code, error))
            return FALSE;
        if (layout.code + sizeof(guint64) > format.bytes)
            return corrupt(&format, "has impossible elements", error);
        if (!walk(reader, cache + pages, &format, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- All of it ---- */

static gint
compare_starts(gconstpointer a, gconstpointer b)
{
    const IntroGenerated *left = a, *right = b;

    return left->start < right->start ? -1 : left->start > right->start;
}

static GArray *
try_to_read(const IntroKernel *kernel, GError **error)
{
    Reader reader = { kernel, g_array_new(FALSE, FALSE, sizeof(IntroGenerated)) };

    g_array_set_clear_func(reader.found, clear_generated);
    if (read_bpf(&reader, error) && read_tracers(&reader, error) && read_kprobes(&reader, error)) {
        g_array_sort(reader.found, compare_starts);
        return reader.found;
    }
    g_array_unref(reader.found);
    return NULL;
}

GArray *
intro_generated_read(const IntroKernel *kernel, GError **error)
{
    for (guint attempt = 1;; attempt++) {
        GError *local_error = NULL;
        GArray *found = try_to_read(kernel, &local_error);

        if (found != NULL)
            return found;
        if (attempt == ATTEMPTS || !(g_error_matches(local_error, INTRO_ERROR, INTRO_ERROR_CORRUPT)
                                     || g_error_matches(local_error, INTRO_ERROR, INTRO_ERROR_NOT_MAPPED))) {
            g_propagate_error(error, local_error);
            return NULL;
        }
        g_error_free(local_error);
    }
}

const IntroGenerated *
intro_generated_at(const GArray *generated, GuestVa va)
{
    guint low = 0, high = generated->len;
    const IntroGenerated *found;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(generated, IntroGenerated, middle).start <= va)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    found = &g_array_index(generated, IntroGenerated, low - 1);
    return va < found->end ? found : NULL;
}

/* The frame is made by push %rbp; mov %rsp,%rbp near the start. It is gone behind leave, and behind the add $8,%rsp with
 * which a trampoline then leaves out the function that it has called itself. */
gboolean
intro_generated_has_frame(const IntroGenerated *generated, const IntroSpace *space, GuestVa pc, gboolean is_return)
{
    static const guint8 make[] = { 0x55, 0x48, 0x89, 0xe5 }, skip[] = { 0xc9, 0x48, 0x83, 0xc4, 0x08 };
    guint8 code[PROLOGUE_BYTES], before[sizeof skip];
    gsize length = MIN(sizeof code, generated->end - generated->start), made = sizeof make;

    if (generated->kind != INTRO_GENERATED_BPF || length < sizeof make
        || !intro_space_read(space, generated->start, code, length, NULL))
        return FALSE;
    while (memcmp(code + made - sizeof make, make, sizeof make) != 0)
        if (++made > length)
            return FALSE;
    if (pc < generated->start + made)
        return FALSE;
    if (is_return)
        return TRUE;
    return pc - generated->start >= sizeof before
           && intro_space_read(space, pc - sizeof before, before, sizeof before, NULL)
           && before[sizeof before - 1] != skip[0] && memcmp(before, skip, sizeof skip) != 0;
}
