/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/stack.h"

#include "introspect/cursor.h"
#include "introspect/generated.h"
#include "introspect/scan.h"
#include "introspect/stack-facts.h"
#include "introspect/vcpus.h"

/* What the unwinder's questions are answered from. */
typedef struct {
    const IntroKernel *kernel;
    const IntroStackFacts *facts;
    GuestVa task;                   /* whose stack it is; 0 if that is not known */
} Context;

static gboolean
read_stack(gpointer self, GuestVa va, void *buffer, gsize length)
{
    const Context *context = self;

    return intro_space_read(intro_kernel_space(context->kernel), va, buffer, length, NULL);
}

/* A tracer's trampoline calls itself the end of the stack, which it is not: it hides its caller. */
static gboolean
find_in_tables(const Context *context, GuestVa ip, IntroOrcEntry *entry)
{
    const IntroStackFacts *facts = context->facts;

    if (facts->orc == NULL) {
        *entry = (IntroOrcEntry) { .type = INTRO_ORC_FRAME };
        return facts->has_frame_pointers && intro_kernel_is_text(context->kernel, ip)
               && !intro_tracers_has(&facts->tracers, ip);
    }
    return (ip < facts->context_switch.start || ip >= facts->context_switch.end)
           && intro_orc_find(facts->orc, ip, entry)
           && !(entry->type == INTRO_ORC_END_OF_STACK && intro_tracers_has(&facts->tracers, ip));
}

/* Code that the kernel made has no entries of its own. A tracer's trampoline has those of what it is a copy of, as in
 * orc_ftrace_find(); code of BPF keeps frame pointers, but that it does so everywhere is only orc_find()'s guess. */
static gboolean
find_generated(const Context *context, GuestVa pc, gboolean is_return, IntroOrcEntry *entry)
{
    GuestVa ip = is_return ? pc - 1 : pc;
    const IntroGenerated *generated = intro_generated_at(intro_kernel_generated(context->kernel), ip);

    if (generated == NULL)
        return FALSE;
    if (generated->kind == INTRO_GENERATED_TRACER)
        return generated->original != 0 && find_in_tables(context, generated->original + (ip - generated->start), entry);
    if (!intro_generated_has_frame(generated, intro_kernel_space(context->kernel), pc, is_return))
        return FALSE;
    *entry = (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_BP, .sp_offset = 2 * sizeof(guint64),
        .bp_register = INTRO_ORC_REG_PREV_SP, .bp_offset = -2 * (gint16) sizeof(guint64),
    };
    return TRUE;
}

/* An instruction that was called and does not return has its caller's frame, not its own: look at the call. */
static gboolean
find_entry(gpointer self, GuestVa pc, gboolean is_return, IntroOrcEntry *entry)
{
    const Context *context = self;
    GuestVa ip = is_return ? pc - 1 : pc;
    gboolean is_known;

    *entry = (IntroOrcEntry) { .type = INTRO_ORC_UNDEFINED };
    is_known = find_in_tables(context, ip, entry);
    if (!is_return && context->facts->orc != NULL
        && intro_thunks_entry(&context->facts->thunks, intro_kernel_space(context->kernel), ip, entry))
        return TRUE;
    return is_known
           || (!intro_kernel_is_text(context->kernel, ip) && find_generated(context, pc, is_return, entry));
}

static gboolean
is_text(gpointer self, GuestVa va)
{
    const Context *context = self;

    return intro_kernel_is_text(context->kernel, va)
           || intro_generated_at(intro_kernel_generated(context->kernel), va) != NULL;
}

static gboolean
find_original(gpointer self, GuestVa return_va, GuestVa slot, GuestVa *original)
{
    const Context *context = self;

    return intro_tracers_original(&context->facts->tracers, context->kernel, context->task, return_va, slot, original);
}

static gboolean
is_jump(gpointer self, GuestVa from, GuestVa to)
{
    const Context *context = self;
    const IntroStackFacts *facts = context->facts;

    return to == facts->fork_return
           || intro_thunks_is_jump(&facts->thunks, intro_kernel_symbols(context->kernel), from, to);
}

static const IntroUnwindOps unwind_ops = { read_stack, find_entry, is_text, find_original, is_jump };

static GArray *
new_areas(void)
{
    GArray *areas = g_array_new(FALSE, FALSE, sizeof(IntroStackArea));

    g_array_set_clear_func(areas, (GDestroyNotify) intro_stack_area_clear);
    return areas;
}

IntroStack *
intro_stack_new(void)
{
    IntroStack *stack = g_new0(IntroStack, 1);

    stack->frames = g_array_new(FALSE, FALSE, sizeof(IntroFrame));
    stack->complete = TRUE;
    return stack;
}

void
intro_stack_free(IntroStack *stack)
{
    if (stack == NULL)
        return;
    g_array_unref(stack->frames);
    g_free(stack);
}

/* A task that was switched away from: __switch_to_asm() left its registers at the stack pointer. */
static IntroUnwindStart
inactive_start(const IntroStackFacts *facts, const IntroStackArea *area)
{
    GuestVa ip = intro_word(area->bytes + facts->inactive_frame.return_address);

    return (IntroUnwindStart) {
        .ip = ip, .signal = ip == facts->fork_return, .sp = area->start + facts->inactive_frame.size_bytes,
        .bp = intro_word(area->bytes + facts->inactive_frame.bp),
    };
}

IntroStack *
intro_stack_scan_task(const IntroKernel *kernel, const IntroTask *task, GError **error)
{
    Context context = { kernel, intro_kernel_stack_facts(kernel, error), task->task };
    g_autoptr(GArray) areas = new_areas();
    IntroStackArea area = { .start = task->stack, .end = task->stack + task->stack_bytes };

    if (context.facts == NULL)
        return NULL;
    if (task->stack == 0)
        return intro_stack_new();
    area.bytes = g_malloc(task->stack_bytes);
    g_array_append_val(areas, area);
    if (!intro_space_read(intro_kernel_space(kernel), area.start, area.bytes, task->stack_bytes, error))
        return NULL;
    return intro_scan_all(&unwind_ops, &context, &context.facts->regs, areas);
}

IntroStack *
intro_stack_of_task(const IntroKernel *kernel, const IntroTask *task, GError **error)
{
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);
    Context context = { kernel, facts, task->task };
    g_autoptr(GArray) areas = new_areas();
    IntroStackArea area = { .start = task->sp, .end = task->stack + task->stack_bytes };
    IntroUnwindStart start;

    if (facts == NULL)
        return NULL;
    if (task->stack == 0)
        return intro_stack_new();
    if (task->sp % sizeof(guint64) != 0 || task->sp < task->stack || task->sp >= area.end
        || area.end - area.start < facts->inactive_frame.size_bytes) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                    "the saved stack pointer of task %d (%s) is not in its kernel stack", task->pid, task->name);
        return NULL;
    }
    area.bytes = g_malloc(area.end - area.start);
    g_array_append_val(areas, area);
    if (!intro_space_read(intro_kernel_space(kernel), area.start, area.bytes, area.end - area.start, error))
        return NULL;
    start = inactive_start(facts, &area);
    return intro_unwind(&unwind_ops, &context, &facts->regs, areas, &start);
}

static gboolean
is_in_stacks(const GArray *areas, GuestVa sp)
{
    for (guint i = 0; i < areas->len; i++) {
        const IntroStackArea *area = &g_array_index(areas, IntroStackArea, i);

        if (sp >= area->start && sp < area->end)
            return TRUE;
    }
    return FALSE;
}

static void
add_task_stack(const IntroStackFacts *facts, GArray *areas, GuestVa stack)
{
    const IntroStackArea area = { .start = stack, .end = stack + facts->task_stack_bytes };

    g_array_append_val(areas, area);
}

/*
 * The stacks that CPU may be on: its task's, then its own. Within a context switch it is the next task's, before that
 * has become the current one; that stack is known by its alignment, but not whose it is.
 */
static gboolean
find_vcpu_stacks(Context *context, guint cpu, GuestVa sp, GArray *areas, GError **error)
{
    const IntroStackFacts *facts = context->facts;
    const IntroCpu *own = intro_stack_facts_cpu(facts, cpu);
    GuestVa stack;

    if (!intro_cpu_current_task(context->kernel, cpu, &context->task, error)
        || !intro_space_read_u64(intro_kernel_space(context->kernel), context->task + facts->task_stack, &stack, error))
        return FALSE;
    add_task_stack(facts, areas, stack);
    g_array_append_vals(areas, own->stacks->data, own->stacks->len);
    if (sp >> 63 && !is_in_stacks(areas, sp)) {
        add_task_stack(facts, areas, sp & ~(facts->task_stack_bytes - 1));
        context->task = 0;
    }
    return TRUE;
}

static IntroUnwindStart
vcpu_start(const VmmVcpu *vcpu)
{
    return (IntroUnwindStart) {
        .ip = vcpu->rip, .sp = vcpu->gpr[VMM_RSP], .bp = vcpu->gpr[VMM_RBP], .signal = TRUE,
        .regs = {
            .is_present = TRUE, .is_full = TRUE, .ip = vcpu->rip, .cs = vcpu->cs,
            .sp = vcpu->gpr[VMM_RSP], .bp = vcpu->gpr[VMM_RBP], .r10 = vcpu->gpr[VMM_R10], .r13 = vcpu->gpr[VMM_R13],
            .di = vcpu->gpr[VMM_RDI], .dx = vcpu->gpr[VMM_RDX], .ax = vcpu->gpr[VMM_RAX],
        },
    };
}

IntroStack *
intro_stack_of_vcpu(const IntroKernel *kernel, const VmmVcpu *vcpu, GError **error)
{
    const IntroStackFacts *facts = intro_kernel_stack_facts(kernel, error);
    Context context = { kernel, facts, 0 };
    g_autoptr(GArray) areas = new_areas();
    IntroUnwindStart start;
    guint cpu;

    if (facts == NULL)
        return NULL;
    if (!intro_vcpu_is_own(kernel, vcpu) || vmm_vcpu_in_user_mode(vcpu))
        return intro_stack_new();
    if (!intro_vcpu_number(kernel, vcpu, &cpu, error)
        || !find_vcpu_stacks(&context, cpu, vcpu->gpr[VMM_RSP], areas, error))
        return NULL;
    start = vcpu_start(vcpu);
    return intro_unwind(&unwind_ops, &context, &facts->regs, areas, &start);
}

static gboolean
is_between(const IntroSymbols *symbols, const char *start_name, const char *end_name, GuestVa va)
{
    GuestVa start, end;

    return intro_symbols_address(symbols, start_name, &start, NULL)
           && intro_symbols_address(symbols, end_name, &end, NULL) && va >= start && va < end;
}

/* in_sched_functions() of kernel/sched/core.c. */
gboolean
intro_stack_is_scheduler(const IntroKernel *kernel, GuestVa va)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);

    return is_between(symbols, "__lock_text_start", "__lock_text_end", va)
           || is_between(symbols, "__sched_text_start", "__sched_text_end", va);
}
