/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/tracers.h"

#include "introspect/cursor.h"

#define MAX_ENTRY_BYTES     256
#define MAX_SHADOW_BYTES    4096    /* of one task's return addresses, in all versions so far */
#define MAX_HOOKS           4096    /* in one look */
#define MAX_TABLE_BYTES     4096
#define MAX_TRAMPOLINES     4       /* that one return address was replaced by in turn */

static IntroTrampoline
find_trampoline(const IntroSymbols *symbols, const char *name)
{
    IntroTrampoline trampoline = { 0 };
    const IntroSymbol *symbol;

    if (!intro_symbols_address(symbols, name, &trampoline.va, NULL))
        return (IntroTrampoline) { 0 };
    symbol = intro_symbols_at(symbols, trampoline.va, NULL);
    trampoline.length = symbol != NULL ? MAX(symbol->size, 1) : 1;
    return trampoline;
}

static void
find_graph_layout(IntroTracers *tracers, const IntroBtf *btf)
{
    gsize size;

    if (intro_btf_offset(btf, "ftrace_ret_stack", "ret", &tracers->graph_layout.ret, NULL)
        && intro_btf_offset(btf, "ftrace_ret_stack", "retp", &tracers->graph_layout.retp, NULL)
        && intro_btf_offset(btf, "task_struct", "ret_stack", &tracers->graph_layout.task_stack, NULL)
        && intro_btf_size(btf, "ftrace_ret_stack", &size, NULL) && size <= MAX_ENTRY_BYTES
        && tracers->graph_layout.ret + sizeof(guint64) <= size && tracers->graph_layout.retp + sizeof(guint64) <= size)
        tracers->graph_layout.size_bytes = size;
}

/* The members of a record TYPE in a list, and the head of the list in the task. */
static gboolean
find_hook_layout(IntroHookLayout *layout, const IntroBtf *btf, const char *type, const char *link, const char *frame)
{
    gsize size;

    if (!intro_btf_offset(btf, type, link, &layout->link, NULL)
        || !intro_btf_offset(btf, type, "ret_addr", &layout->ret, NULL)
        || !intro_btf_offset(btf, type, frame, &layout->frame, NULL)
        || !intro_btf_size(btf, type, &size, NULL) || size > MAX_ENTRY_BYTES
        || MAX(MAX(layout->link, layout->ret), layout->frame) + sizeof(guint64) > size)
        return FALSE;
    layout->size_bytes = size;
    return TRUE;
}

static void
find_rethook_layout(IntroHookLayout *layout, const IntroBtf *btf)
{
    if (!intro_btf_offset(btf, "task_struct", "rethooks", &layout->task_list, NULL)
        || !find_hook_layout(layout, btf, "rethook_node", "llist", "frame"))
        *layout = (IntroHookLayout) { 0 };
}

/* Until Linux 5.10 they were in a hash table, which those of all tasks shared. */
static gboolean
find_kretprobe_table(IntroHookLayout *layout, const IntroKernel *kernel)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const IntroSymbol *symbol;

    if (!intro_symbols_address(symbols, "kretprobe_inst_table", &layout->table, NULL)
        || (symbol = intro_symbols_at(symbols, layout->table, NULL)) == NULL)
        return FALSE;
    layout->table_bytes = MIN(symbol->size, MAX_TABLE_BYTES) & ~(sizeof(guint64) - 1);
    return intro_btf_offset(intro_kernel_btf(kernel), "kretprobe_instance", "task", &layout->task, NULL)
           && find_hook_layout(layout, intro_kernel_btf(kernel), "kretprobe_instance", "hlist.next", "fp")
           && layout->task + sizeof(guint64) <= layout->size_bytes;
}

static void
find_kretprobe_layout(IntroHookLayout *layout, const IntroKernel *kernel)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);

    if (intro_btf_offset(btf, "task_struct", "kretprobe_instances", &layout->task_list, NULL)
        ? !find_hook_layout(layout, btf, "kretprobe_instance", "llist", "fp") : !find_kretprobe_table(layout, kernel))
        *layout = (IntroHookLayout) { 0 };
}

void
intro_tracers_init(IntroTracers *tracers, const IntroKernel *kernel)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);

    *tracers = (IntroTracers) {
        .graph = find_trampoline(symbols, "return_to_handler"),
        .rethook = find_trampoline(symbols, "arch_rethook_trampoline"),
        .kretprobe = find_trampoline(symbols, "__kretprobe_trampoline"),
    };
    if (tracers->kretprobe.va == 0)
        tracers->kretprobe = find_trampoline(symbols, "kretprobe_trampoline");
    find_graph_layout(tracers, intro_kernel_btf(kernel));
    find_rethook_layout(&tracers->rethooks, intro_kernel_btf(kernel));
    find_kretprobe_layout(&tracers->kretprobes, kernel);
}

static gboolean
is_in(const IntroTrampoline *trampoline, GuestVa ip)
{
    return trampoline->va != 0 && ip - trampoline->va < trampoline->length;
}

gboolean
intro_tracers_has(const IntroTracers *tracers, GuestVa ip)
{
    return is_in(&tracers->graph, ip) || is_in(&tracers->rethook, ip) || is_in(&tracers->kretprobe, ip);
}

/*
 * A traced function's entry says which slot its return address was taken from. How many entries are in use is counted
 * in other ways from version to version, but they fill up from the bottom: the first for a slot is the one in use.
 */
static gboolean
find_graph_return(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa slot, GuestVa *original)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    gsize size = tracers->graph_layout.size_bytes;
    guint8 shadow[MAX_SHADOW_BYTES];
    GuestVa stack;

    if (size == 0 || !intro_space_read_u64(space, task + tracers->graph_layout.task_stack, &stack, NULL)
        || !intro_space_read(space, stack, shadow, sizeof(shadow), NULL))
        return FALSE;
    for (gsize at = 0; at + size <= sizeof(shadow); at += sizeof(guint64)) {
        *original = intro_word(shadow + at + tracers->graph_layout.ret);
        if (intro_word(shadow + at + tracers->graph_layout.retp) == slot && intro_kernel_is_text(kernel, *original))
            return TRUE;
    }
    return FALSE;
}

/* In the list that begins with NEXT. Of several hooks on one slot, all but the first to be set found a trampoline. */
static gboolean
search_hooks(const IntroHookLayout *layout, const IntroKernel *kernel, GuestVa next, GuestVa task, GuestVa slot,
             GuestVa trampoline, guint *n_left, GuestVa *original)
{
    guint8 record[MAX_ENTRY_BYTES];

    while (next != 0 && *n_left > 0) {
        --*n_left;
        if (!intro_space_read(intro_kernel_space(kernel), next - layout->link, record, layout->size_bytes, NULL))
            return FALSE;
        *original = intro_word(record + layout->ret);
        if (intro_word(record + layout->frame) == slot && *original != trampoline
            && (layout->table == 0 || intro_word(record + layout->task) == task))
            return TRUE;
        next = intro_word(record + layout->link);
    }
    return FALSE;
}

static gboolean
find_hooked_return(const IntroHookLayout *layout, const IntroKernel *kernel, GuestVa task, GuestVa slot,
                   GuestVa trampoline, GuestVa *original)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    guint8 heads[MAX_TABLE_BYTES];
    guint n_left = MAX_HOOKS;
    GuestVa head;

    if (layout->size_bytes == 0)
        return FALSE;
    if (layout->table == 0)
        return intro_space_read_u64(space, task + layout->task_list, &head, NULL)
               && search_hooks(layout, kernel, head, task, slot, trampoline, &n_left, original);
    if (!intro_space_read(space, layout->table, heads, layout->table_bytes, NULL))
        return FALSE;
    for (gsize at = 0; at < layout->table_bytes; at += sizeof head)
        if (search_hooks(layout, kernel, intro_word(heads + at), task, slot, trampoline, &n_left, original))
            return TRUE;
    return FALSE;
}

/* What a trampoline's address, found in SLOT, took the place of. */
static gboolean
find_replaced(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa slot, GuestVa trampoline,
              GuestVa *original)
{
    if (trampoline == tracers->graph.va)
        return find_graph_return(tracers, kernel, task, slot, original);
    return find_hooked_return(trampoline == tracers->rethook.va ? &tracers->rethooks : &tracers->kretprobes, kernel, task,
                              slot, trampoline, original);
}

static gboolean
is_start(const IntroTracers *tracers, GuestVa va)
{
    return va != 0 && (va == tracers->graph.va || va == tracers->rethook.va || va == tracers->kretprobe.va);
}

/* Different tracers may trace the same function, and then one has the other's trampoline for a return address. */
gboolean
intro_tracers_original(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa return_va,
                       GuestVa slot, GuestVa *original)
{
    GuestVa found = return_va;

    *original = return_va;
    if (!is_start(tracers, return_va))
        return TRUE;
    for (guint i = 0; is_start(tracers, found); i++)
        if (i == MAX_TRAMPOLINES || task == 0 || !find_replaced(tracers, kernel, task, slot, found, &found))
            return FALSE;
    *original = found;
    return !intro_tracers_has(tracers, found);
}
