/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/stack-facts.h"

#include "introspect/frame-pointers.h"
#include "introspect/vcpus.h"

#define PAGE_BYTES          4096
#define MAX_REGS_BYTES      1024
#define MAX_FRAME_BYTES     256

/* The members of struct cea_exception_stacks that are stacks; none of them has to be there. */
static const char *const exception_stacks[] = {
    "DF_stack", "NMI_stack", "DB_stack", "MCE_stack", "VC_stack", "VC2_stack",
};

static gboolean
find_regs_layout(const IntroBtf *btf, IntroRegsLayout *layout, GError **error)
{
    const struct {
        const char *name;
        gsize *offset;
    } members[] = {
        { "ip", &layout->ip }, { "sp", &layout->sp }, { "bp", &layout->bp }, { "cs", &layout->cs },
        { "r10", &layout->r10 }, { "r13", &layout->r13 }, { "di", &layout->di }, { "dx", &layout->dx },
        { "ax", &layout->ax },
    };
    gboolean fits = TRUE;

    if (!intro_btf_size(btf, "pt_regs", &layout->size_bytes, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        if (!intro_btf_offset(btf, "pt_regs", members[i].name, members[i].offset, error))
            return FALSE;
        fits &= *members[i].offset + sizeof(guint64) <= layout->size_bytes;
    }
    if (!fits || layout->size_bytes > MAX_REGS_BYTES || layout->cs < layout->ip || layout->sp < layout->ip) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's struct pt_regs makes no sense");
        return FALSE;
    }
    return TRUE;
}

static gboolean
find_inactive_frame(IntroStackFacts *facts, const IntroBtf *btf, GError **error)
{
    if (!intro_btf_size(btf, "inactive_task_frame", &facts->inactive_frame.size_bytes, error)
        || !intro_btf_offset(btf, "inactive_task_frame", "bp", &facts->inactive_frame.bp, error)
        || !intro_btf_offset(btf, "inactive_task_frame", "ret_addr", &facts->inactive_frame.return_address, error))
        return FALSE;
    if (facts->inactive_frame.size_bytes > MAX_FRAME_BYTES
        || facts->inactive_frame.bp + sizeof(guint64) > facts->inactive_frame.size_bytes
        || facts->inactive_frame.return_address + sizeof(guint64) > facts->inactive_frame.size_bytes) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                            "the kernel's struct inactive_task_frame makes no sense");
        return FALSE;
    }
    return TRUE;
}

static void
add_stack(GArray *stacks, GuestVa start, guint64 length, IntroStackLink link)
{
    const IntroStackArea area = { .start = start, .end = start + length, .link = link };

    g_array_append_val(stacks, area);
}

static void
cpu_free(IntroCpu *cpu)
{
    g_array_unref(cpu->stacks);
    g_free(cpu);
}

/* Where CPU has a per-CPU pointer; from 6.2 to 6.14 the most used of them were members of pcpu_hot. */
static gboolean
find_percpu_pointer(const IntroKernel *kernel, guint cpu, const char *name, GuestVa *va, guint64 *base, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const char *variable = name;
    GuestVa symbol;
    gsize offset = 0;

    if (!intro_symbols_address(symbols, name, &symbol, NULL)) {
        variable = "pcpu_hot";
        if (!intro_symbols_address(symbols, variable, &symbol, error)
            || !intro_btf_offset(intro_kernel_btf(kernel), variable, name, &offset, error))
            return FALSE;
    }
    if (!intro_kernel_percpu(kernel, cpu, variable, va, error))
        return FALSE;
    *base = *va - symbol;
    *va += offset;
    return TRUE;
}

/* 0 if the kernel has none, or this CPU has not been started yet. */
static GuestVa
percpu_pointer(const IntroKernel *kernel, guint cpu, const char *name)
{
    guint64 base;
    GuestVa va, value;

    return find_percpu_pointer(kernel, cpu, name, &va, &base, NULL)
           && intro_space_read_u64(intro_kernel_space(kernel), va, &value, NULL) ? value : 0;
}

/* The pointer is to the end of the stack, or since 5.13 to its topmost word. */
static void
add_interrupt_stack(const IntroKernel *kernel, guint cpu, GArray *stacks)
{
    GuestVa top = percpu_pointer(kernel, cpu, "hardirq_stack_ptr");
    gsize length;

    top = (top + PAGE_BYTES - 1) & ~(GuestVa) (PAGE_BYTES - 1);
    if (top != 0 && intro_btf_size(intro_kernel_btf(kernel), "irq_stack", &length, NULL))
        add_stack(stacks, top - length, length, INTRO_STACK_SAVED_SP);
}

static void
add_exception_stacks(const IntroKernel *kernel, GuestVa base, GArray *stacks)
{
    for (gsize i = 0; i < G_N_ELEMENTS(exception_stacks); i++) {
        IntroMember member;

        if (intro_btf_member(intro_kernel_btf(kernel), "cea_exception_stacks", exception_stacks[i], &member, NULL))
            add_stack(stacks, base + member.offset_bits / 8, (guint64) member.size_bits / 8 * member.n_elements,
                      INTRO_STACK_SAVED_REGS);
    }
}

/* These lie beside the exception stacks, in the same struct cpu_entry_area. */
static void
find_entry_area(const IntroKernel *kernel, GuestVa exceptions, IntroCpu *cpu)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    gsize exceptions_offset, offset, length;

    if (!intro_btf_offset(btf, "cpu_entry_area", "estacks", &exceptions_offset, NULL))
        return;
    if (intro_btf_offset(btf, "cpu_entry_area", "entry_stack_page", &offset, NULL)
        && intro_btf_size(btf, "entry_stack", &length, NULL))
        add_stack(cpu->stacks, exceptions - exceptions_offset + offset, length, INTRO_STACK_FROM_USER);
    if (intro_btf_offset(btf, "cpu_entry_area", "gdt", &offset, NULL))
        cpu->gdt = exceptions - exceptions_offset + offset;
}

static gboolean
find_cpus(IntroStackFacts *facts, const IntroKernel *kernel, GError **error)
{
    facts->cpus = g_ptr_array_new_with_free_func((GDestroyNotify) cpu_free);
    for (guint number = 0; number < intro_kernel_n_cpus(kernel); number++) {
        g_autoptr(GError) missing = NULL;
        GuestVa current_task, exceptions;
        guint64 base;
        IntroCpu *cpu;

        if (!find_percpu_pointer(kernel, number, "current_task", &current_task, &base, &missing)) {
            /* There may be gaps, but not for the one that the kernel booted on. */
            if (number > 0)
                continue;
            g_propagate_error(error, g_steal_pointer(&missing));
            return FALSE;
        }
        cpu = g_new0(IntroCpu, 1);
        *cpu = (IntroCpu) { .number = number, .base = base, .current_task = current_task,
                            .stacks = g_array_new(FALSE, FALSE, sizeof(IntroStackArea)) };
        g_ptr_array_add(facts->cpus, cpu);
        add_interrupt_stack(kernel, number, cpu->stacks);
        exceptions = percpu_pointer(kernel, number, "cea_exception_stacks");
        if (exceptions != 0) {
            add_exception_stacks(kernel, exceptions, cpu->stacks);
            find_entry_area(kernel, exceptions, cpu);
        }
    }
    return TRUE;
}

static IntroRegion
find_function(const IntroSymbols *symbols, const char *name)
{
    IntroRegion region = { 0 };
    const IntroSymbol *symbol;

    if (intro_symbols_address(symbols, name, &region.start, NULL)
        && (symbol = intro_symbols_at(symbols, region.start, NULL)) != NULL)
        region.end = region.start + symbol->size;
    return region;
}

/* A kernel that has neither unwinds by guessing (CONFIG_UNWINDER_GUESS), and so its stacks can only be scanned. */
static gboolean
find_unwind_data(IntroStackFacts *facts, const IntroKernel *kernel, GError **error)
{
    GuestVa table;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "__start_orc_unwind_ip", &table, NULL)) {
        facts->has_frame_pointers = intro_kernel_has_frame_pointers(kernel);
        return TRUE;
    }
    facts->orc = intro_orc_new(kernel, error);
    return facts->orc != NULL;
}

static gboolean
find_last_table(IntroStackFacts *facts, const IntroKernel *kernel, GError **error)
{
    IntroMapping root;
    GuestVa va;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "init_top_pgt", &va, error)
        || !intro_space_translate(intro_kernel_space(kernel), va, &root, error))
        return FALSE;
    if (intro_vcpu_last_table(kernel, root.pa, &facts->last_table))
        return TRUE;
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's own page tables do not map it");
    return FALSE;
}

IntroStackFacts *
intro_stack_facts_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroStackFacts) facts = g_new0(IntroStackFacts, 1);
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    const IntroBtf *btf = intro_kernel_btf(kernel);

    if (!find_unwind_data(facts, kernel, error) || !find_regs_layout(btf, &facts->regs, error) || !find_inactive_frame(facts, btf, error)
        || !intro_btf_offset(btf, "task_struct", "stack", &facts->task_stack, error)
        || !intro_btf_offset(btf, "task_struct", "flags", &facts->task_flags, error) || !find_last_table(facts, kernel, error)
        || !intro_task_stack_bytes(kernel, &facts->task_stack_bytes, error))
        return NULL;
    /* Since 6.6 the assembly that a new task begins in has this name, and the other is that of a C function. */
    if (!intro_symbols_address(symbols, "ret_from_fork_asm", &facts->fork_return, NULL)
        && !intro_symbols_address(symbols, "ret_from_fork", &facts->fork_return, error))
        return NULL;
    facts->context_switch = find_function(symbols, "__switch_to_asm");
    intro_tracers_init(&facts->tracers, kernel);
    intro_thunks_init(&facts->thunks, symbols);
    if (!find_cpus(facts, kernel, error))
        return NULL;
    return g_steal_pointer(&facts);
}

void
intro_stack_facts_free(IntroStackFacts *facts)
{
    if (facts == NULL)
        return;
    g_clear_pointer(&facts->cpus, g_ptr_array_unref);
    intro_orc_free(facts->orc);
    g_free(facts);
}

const IntroCpu *
intro_stack_facts_cpu(const IntroStackFacts *facts, guint number)
{
    for (guint i = 0; i < facts->cpus->len; i++) {
        const IntroCpu *cpu = g_ptr_array_index(facts->cpus, i);

        if (cpu->number == number)
            return cpu;
    }
    return NULL;
}
