/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/tracers.h"

#include "introspect/cursor.h"

#define MAX_ENTRY_BYTES     256
#define MAX_SHADOW_BYTES    4096    /* of one task's return addresses, in all versions so far */
#define MAX_RETHOOKS        1024    /* of one task at a time */

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

static void
find_rethook_layout(IntroTracers *tracers, const IntroBtf *btf)
{
    gsize size;

    if (intro_btf_offset(btf, "rethook_node", "llist", &tracers->rethook_layout.list, NULL)
        && intro_btf_offset(btf, "rethook_node", "ret_addr", &tracers->rethook_layout.ret, NULL)
        && intro_btf_offset(btf, "rethook_node", "frame", &tracers->rethook_layout.frame, NULL)
        && intro_btf_offset(btf, "task_struct", "rethooks", &tracers->rethook_layout.task_list, NULL)
        && intro_btf_size(btf, "rethook_node", &size, NULL) && size <= MAX_ENTRY_BYTES
        && tracers->rethook_layout.list + sizeof(guint64) <= size
        && tracers->rethook_layout.ret + sizeof(guint64) <= size
        && tracers->rethook_layout.frame + sizeof(guint64) <= size)
        tracers->rethook_layout.size_bytes = size;
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
    find_rethook_layout(tracers, intro_kernel_btf(kernel));
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

/* Of several hooks on one slot, all but the first to be set found a trampoline there. */
static gboolean
find_rethook_return(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa slot,
                    GuestVa *original)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    gsize size = tracers->rethook_layout.size_bytes;
    guint8 node[MAX_ENTRY_BYTES];
    GuestVa next;

    if (size == 0 || !intro_space_read_u64(space, task + tracers->rethook_layout.task_list, &next, NULL))
        return FALSE;
    for (guint i = 0; i < MAX_RETHOOKS && next != 0; i++) {
        if (!intro_space_read(space, next - tracers->rethook_layout.list, node, size, NULL))
            return FALSE;
        *original = intro_word(node + tracers->rethook_layout.ret);
        if (intro_word(node + tracers->rethook_layout.frame) == slot && *original != tracers->rethook.va)
            return TRUE;
        next = intro_word(node + tracers->rethook_layout.list);
    }
    return FALSE;
}

gboolean
intro_tracers_original(const IntroTracers *tracers, const IntroKernel *kernel, GuestVa task, GuestVa return_va,
                       GuestVa slot, GuestVa *original)
{
    GuestVa found = return_va;

    *original = return_va;
    if (return_va == 0 || (return_va != tracers->graph.va && return_va != tracers->rethook.va
                           && return_va != tracers->kretprobe.va))
        return TRUE;
    if (task == 0 || return_va == tracers->kretprobe.va)
        return FALSE;
    if (return_va == tracers->graph.va && !find_graph_return(tracers, kernel, task, slot, &found))
        return FALSE;
    /* The two may trace the same function, and then the one has the other's trampoline for a return address. */
    if (found == tracers->rethook.va && !find_rethook_return(tracers, kernel, task, slot, &found))
        return FALSE;
    *original = found;
    return !intro_tracers_has(tracers, found);
}
