/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/task-struct.h"

#include <string.h>

#define MAX_PART_BYTES      (64u << 10)
#define MAX_NAME_BYTES      64          /* as fs/proc/array.c has it, with the NUL */
#define MAX_DESC_BYTES      256
#define MAX_STACK_BYTES     (1u << 20)

/* include/linux/sched.h; not in BTF. */
#define TASK_UNINTERRUPTIBLE    0x0002
#define TASK_REPORT             0x007f
#define TASK_NOLOAD             0x0400
#define TASK_IDLE               (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#define TASK_RTLOCK_WAIT        0x1000
#define TASK_FROZEN             0x8000
#define PF_WQ_WORKER            0x00000020
#define PF_KTHREAD              0x00200000

static const struct {
    const char *name, *older_name;
    gboolean is_optional;
} members[INTRO_TASK_N_FIELDS] = {
    [INTRO_TASK_PID] = { "pid" },
    [INTRO_TASK_TGID] = { "tgid" },
    [INTRO_TASK_COMM] = { "comm" },
    [INTRO_TASK_STATE] = { "__state", "state" },
    [INTRO_TASK_EXIT_STATE] = { "exit_state" },
    [INTRO_TASK_FLAGS] = { "flags" },
    [INTRO_TASK_CPU] = { "thread_info.cpu", "cpu" },
    [INTRO_TASK_ON_CPU] = { "on_cpu" },
    [INTRO_TASK_STACK] = { "stack" },
    [INTRO_TASK_STACK_REFERENCES] = { "stack_refcount.refs.counter", NULL, TRUE },
    [INTRO_TASK_SP] = { "thread.sp" },
    [INTRO_TASK_VOLUNTARY] = { "nvcsw" },
    [INTRO_TASK_INVOLUNTARY] = { "nivcsw" },
    [INTRO_TASK_SIGNAL] = { "signal" },
    [INTRO_TASK_KTHREAD] = { "worker_private", "set_child_tid" },
    [INTRO_TASK_NEXT] = { "tasks.next" },
    [INTRO_TASK_PREVIOUS] = { "tasks.prev" },
    [INTRO_TASK_NEXT_THREAD] = { "thread_node.next" },
    [INTRO_TASK_PREVIOUS_THREAD] = { "thread_node.prev" },
};

static gboolean
fail_senseless(GError **error)
{
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's struct task_struct makes no sense");
    return FALSE;
}

static gboolean
find_fields(const IntroBtf *btf, IntroTaskLayout *layout, GError **error)
{
    gsize start = G_MAXSIZE, end = 0;

    for (gsize i = 0; i < INTRO_TASK_N_FIELDS; i++) {
        IntroMember *member = &layout->fields[i];
        const char *older_name = members[i].older_name;

        if ((older_name == NULL || !intro_btf_member(btf, "task_struct", members[i].name, member, NULL))
            && !intro_btf_member(btf, "task_struct", older_name != NULL ? older_name : members[i].name, member,
                                 members[i].is_optional ? NULL : error)) {
            if (!members[i].is_optional)
                return FALSE;
            *member = (IntroMember) { 0 };
            continue;
        }
        if (member->size_bits == 0 || member->size_bits % 8 != 0)
            return fail_senseless(error);
        start = MIN(start, member->offset_bits / 8);
        end = MAX(end, (member->offset_bits + (guint64) member->size_bits * member->n_elements + 7) / 8);
    }
    if (start >= end || end - start > MAX_PART_BYTES)
        return fail_senseless(error);
    layout->start = start;
    layout->length = end - start;
    return TRUE;
}

static gboolean
find_names(const IntroBtf *btf, IntroTaskLayout *layout, GError **error)
{
    IntroMember desc;

    layout->kthread.has_full_name = intro_btf_offset(btf, "kthread", "full_name", &layout->kthread.full_name, NULL);
    if (!intro_btf_offset(btf, "kthread", "data", &layout->kthread.data, error)
        || !intro_btf_offset(btf, "worker", "pool", &layout->worker.pool, error)
        || !intro_btf_offset(btf, "worker", "current_work", &layout->worker.current_work, error)
        || !intro_btf_member(btf, "worker", "desc", &desc, error))
        return FALSE;
    layout->worker.desc = desc.offset_bits / 8;
    layout->worker.desc_bytes = MIN(desc.n_elements, MAX_DESC_BYTES);
    return TRUE;
}

/* The linker gives the first task's stack the size of all others; what marks it was renamed in 6.10. */
gboolean
intro_task_stack_bytes(const IntroKernel *kernel, guint64 *stack_bytes, GError **error)
{
    static const char *const names[][2] = {
        { "__start_init_stack", "__end_init_stack" },
        { "__start_init_task", "__end_init_task" },
        { "init_stack", "__end_init_task" },
    };
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    gsize union_bytes;

    *stack_bytes = 0;
    if (intro_btf_size(intro_kernel_btf(kernel), "thread_union", &union_bytes, NULL))
        *stack_bytes = union_bytes;
    for (gsize i = 0; *stack_bytes == 0 && i < G_N_ELEMENTS(names); i++) {
        GuestVa start, end;

        if (intro_symbols_address(symbols, names[i][0], &start, NULL)
            && intro_symbols_address(symbols, names[i][1], &end, NULL))
            *stack_bytes = end - start;
    }
    if (*stack_bytes < 4096 || *stack_bytes > MAX_STACK_BYTES || (*stack_bytes & (*stack_bytes - 1)) != 0) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the kernel does not tell how large its stacks are (no __start_init_stack or init_stack)");
        return FALSE;
    }
    return TRUE;
}

IntroTaskLayout *
intro_task_layout_new(const IntroKernel *kernel, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    g_autofree IntroTaskLayout *layout = g_new0(IntroTaskLayout, 1);

    if (!find_fields(btf, layout, error) || !find_names(btf, layout, error)
        || !intro_btf_offset(btf, "signal_struct", "thread_head", &layout->thread_head, error)
        || !intro_btf_offset(btf, "rq", "idle", &layout->idle, error)
        || !intro_task_stack_bytes(kernel, &layout->stack_bytes, error))
        return NULL;
    return g_steal_pointer(&layout);
}

gboolean
intro_task_read_part(const IntroKernel *kernel, const IntroTaskLayout *layout, GuestVa task, guint8 *part,
                     GError **error)
{
    return intro_space_read(intro_kernel_space(kernel), task + layout->start, part, layout->length, error);
}

static const guint8 *
field_bytes(const IntroTaskLayout *layout, const guint8 *part, IntroTaskField field)
{
    return part + (layout->fields[field].offset_bits / 8 - layout->start);
}

guint64
intro_task_field(const IntroTaskLayout *layout, const guint8 *part, IntroTaskField field)
{
    guint64 value = 0;

    if (layout->fields[field].size_bits != 0)
        memcpy(&value, field_bytes(layout, part, field), MIN(layout->fields[field].size_bits / 8, sizeof(value)));
    return GUINT64_FROM_LE(value);
}

GuestVa
intro_task_link(const IntroTaskLayout *layout, GuestVa task, IntroTaskField next)
{
    return task + layout->fields[next].offset_bits / 8;
}

/* Names come from anyone in the guest and end on somebody's terminal. */
static char *
printable(const char *name)
{
    char *valid = g_utf8_make_valid(name, -1);

    for (char *c = valid; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = '?';
    return valid;
}

/* struct kthread of a kernel thread: its long name, and what it works on. */
static char *
read_full_name(const IntroKernel *kernel, const IntroTaskLayout *layout, GuestVa kthread)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    g_autofree char *name = NULL;
    GuestVa va;

    if (!layout->kthread.has_full_name || kthread == 0
        || !intro_space_read_u64(space, kthread + layout->kthread.full_name, &va, NULL) || va == 0)
        return NULL;
    name = intro_space_read_string(space, va, MAX_DESC_BYTES, NULL);
    return name != NULL ? g_strndup(name, MAX_NAME_BYTES - 1) : NULL;
}

/* wq_worker_comm() of kernel/workqueue.c: what a worker works on, or worked on last. */
static char *
read_worker_name(const IntroKernel *kernel, const IntroTaskLayout *layout, GuestVa kthread, const char *comm)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    char desc[MAX_DESC_BYTES + 1] = { 0 };
    GuestVa worker, pool, current_work;
    const IntroExtent extents[] = {
        { 0, &pool, sizeof(pool) },
        { 0, &current_work, sizeof(current_work) },
        { 0, desc, layout->worker.desc_bytes },
    };
    g_autofree IntroExtent *where = g_memdup2(extents, sizeof(extents));
    g_autofree char *name = NULL;

    if (kthread == 0 || !intro_space_read_u64(space, kthread + layout->kthread.data, &worker, NULL) || worker == 0)
        return NULL;
    where[0].va = worker + layout->worker.pool;
    where[1].va = worker + layout->worker.current_work;
    where[2].va = worker + layout->worker.desc;
    if (!intro_space_read_extents(space, where, G_N_ELEMENTS(extents), NULL) || pool == 0 || *desc == '\0')
        return NULL;
    name = g_strdup_printf("%s%c%s", comm, current_work != 0 ? '+' : '-', desc);
    return g_strndup(name, MAX_NAME_BYTES - 1);
}

/* proc_task_name() of fs/proc/array.c. Since 6.9 a rescuer's name, kworker/R-..., is its long one. */
static char *
read_name(const IntroKernel *kernel, const IntroTaskLayout *layout, const guint8 *part, IntroTaskNames names)
{
    const IntroMember *member = &layout->fields[INTRO_TASK_COMM];
    g_autofree char *name = g_strndup((const char *) field_bytes(layout, part, INTRO_TASK_COMM), member->n_elements);
    guint64 flags = intro_task_field(layout, part, INTRO_TASK_FLAGS);
    GuestVa kthread = intro_task_field(layout, part, INTRO_TASK_KTHREAD);
    char *longer = NULL;

    if (!(flags & PF_KTHREAD) || names == INTRO_TASK_NAMES_SHORT)
        return printable(name);
    if (!(flags & PF_WQ_WORKER) || g_str_has_prefix(name, "kworker/R-"))
        longer = read_full_name(kernel, layout, kthread);
    if (longer != NULL) {
        g_free(name);
        name = longer;
    }
    if (flags & PF_WQ_WORKER) {
        longer = read_worker_name(kernel, layout, kthread, name);
        if (longer != NULL) {
            g_free(name);
            name = longer;
        }
    }
    return printable(name);
}

/* __task_state_index() of include/linux/sched.h. */
static char
state_letter(guint64 state, guint64 exit_state)
{
    static const char letters[] = "RSDTtXZPI";
    guint report = (state | exit_state) & TASK_REPORT;

    if ((state & TASK_IDLE) == TASK_IDLE)
        report = TASK_REPORT + 1;
    if (state & (TASK_RTLOCK_WAIT | TASK_FROZEN))
        report = TASK_UNINTERRUPTIBLE;
    return letters[report == 0 ? 0 : g_bit_storage(report)];
}

IntroTask *
intro_task_parse(const IntroKernel *kernel, const IntroTaskLayout *layout, GuestVa task, const guint8 *part,
                 IntroTaskNames names)
{
    const gboolean counts_references = layout->fields[INTRO_TASK_STACK_REFERENCES].size_bits != 0;
    IntroTask *parsed = g_new0(IntroTask, 1);

    parsed->task = task;
    parsed->pid = (gint32) intro_task_field(layout, part, INTRO_TASK_PID);
    parsed->tgid = (gint32) intro_task_field(layout, part, INTRO_TASK_TGID);
    parsed->name = read_name(kernel, layout, part, names);
    parsed->state = state_letter(intro_task_field(layout, part, INTRO_TASK_STATE),
                                 intro_task_field(layout, part, INTRO_TASK_EXIT_STATE));
    parsed->cpu = intro_task_field(layout, part, INTRO_TASK_CPU);
    parsed->on_cpu = intro_task_field(layout, part, INTRO_TASK_ON_CPU) != 0;
    parsed->is_idle = parsed->pid == 0;
    parsed->is_kernel_thread = (intro_task_field(layout, part, INTRO_TASK_FLAGS) & PF_KTHREAD) != 0;
    if (!counts_references || intro_task_field(layout, part, INTRO_TASK_STACK_REFERENCES) != 0)
        parsed->stack = intro_task_field(layout, part, INTRO_TASK_STACK);
    parsed->stack_bytes = layout->stack_bytes;
    parsed->sp = intro_task_field(layout, part, INTRO_TASK_SP);
    parsed->switches = intro_task_field(layout, part, INTRO_TASK_VOLUNTARY)
                       + intro_task_field(layout, part, INTRO_TASK_INVOLUNTARY);
    return parsed;
}
