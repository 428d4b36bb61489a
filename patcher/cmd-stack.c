/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/sleeping.h"
#include "introspect/vcpus.h"
#include "patcher/command.h"
#include "patcher/error.h"
#include "patcher/guest.h"

#define MAX_TRIES 5

/* How much is shown at most: for each task, on average, what /proc/PID/stack shows at most of one, and more for some. */
#define FRAMES_OF_TASK 64
#define MORE_FRAMES 8192

typedef struct {
    const PatchGuest *guest;
    JsonBuilder *json;          /* NULL for text */
    guint64 frames_left;
} Output;

/* What a vCPU is at: its name in JSON, and how it is said to people. */
typedef struct {
    const char *name, *remark;
} Mode;

static void
begin_text(const char *title, const IntroStack *stack)
{
    g_print("%s%s\n", title, stack->complete || stack->frames->len == 0 ? "" : ", not unwound to its end");
}

static void
print_frame(const Output *output, const IntroFrame *frame)
{
    g_autofree char *text = intro_kernel_describe(output->guest->kernel, frame->pc, frame->is_return);

    if (!output->json) {
        g_print("[<0>] %s%s\n", frame->certain ? "" : "? ", text);
        return;
    }
    json_builder_begin_object(output->json);
    patch_json_address(output->json, "address", frame->pc);
    patch_json_string(output->json, "where", text);
    patch_json_boolean(output->json, "certain", frame->certain);
    json_builder_end_object(output->json);
}

static gboolean
take_frames(Output *output, guint n, GError **error)
{
    if (n > output->frames_left) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                            "the guest's stacks hold more return addresses than stacks do; name the tasks to be shown");
        return FALSE;
    }
    output->frames_left -= n;
    return TRUE;
}

static void
print_stack(const Output *output, const char *title, gint64 number, const char *name, const IntroStack *stack,
            gboolean is_task)
{
    if (output->json) {
        json_builder_begin_object(output->json);
        patch_json_int(output->json, is_task ? "pid" : "vcpu", number);
        patch_json_string(output->json, "name", name);
        patch_json_boolean(output->json, "complete", stack->complete);
        patch_json_array(output->json, "frames");
    } else {
        begin_text(title, stack);
    }
    for (guint i = 0; i < stack->frames->len; i++) {
        const IntroFrame *frame = &g_array_index(stack->frames, IntroFrame, i);

        if (!is_task || !intro_stack_is_scheduler(output->guest->kernel, frame->pc))
            print_frame(output, frame);
    }
    if (output->json) {
        json_builder_end_array(output->json);
        json_builder_end_object(output->json);
    }
}

/* A task that does not stay asleep for long enough is as good as running, and its stack belongs to a vCPU. */
static gboolean
show_task(Output *output, GuestVa va, gboolean *shown, GError **error)
{
    g_autoptr(IntroStack) stack = NULL;
    g_autofree char *title = NULL;

    *shown = FALSE;
    for (guint i = 0; !stack && i < MAX_TRIES; i++) {
        g_autoptr(IntroTask) task = intro_task_read(output->guest->kernel, va, error);

        if (!task)
            return FALSE;
        g_free(title);
        title = g_strdup_printf("task %d (%s)", task->pid, task->name);
        if (!intro_stack_while_asleep(output->guest->kernel, task, &stack, error)) {
            g_prefix_error(error, "%s: ", title);
            return FALSE;
        }
        if (stack && !take_frames(output, stack->frames->len, error))
            return FALSE;
        if (stack)
            print_stack(output, title, task->pid, task->name, stack, TRUE);
    }
    *shown = stack != NULL;
    return TRUE;
}

static const Mode elsewhere = { "elsewhere", " (in firmware, or in a guest of the guest's)" };
static const Mode in_user_mode = { "user", " (in user mode)" }, in_kernel = { "kernel", "" };

static const Mode *
find_mode(const IntroKernel *kernel, const VmmVcpu *vcpu, GError **error)
{
    guint cpu;

    if (!intro_kernel_stack_facts(kernel, error))
        return NULL;
    if (!intro_vcpu_is_own(kernel, vcpu) || !intro_vcpu_number(kernel, vcpu, &cpu, NULL))
        return &elsewhere;
    return vmm_vcpu_in_user_mode(vcpu) ? &in_user_mode : &in_kernel;
}

static gboolean
show_vcpu(const Output *output, guint index, GError **error)
{
    g_autoptr(IntroStack) stack = NULL;
    g_autofree char *title = NULL;
    const Mode *mode;
    VmmVcpu vcpu;

    if (!vmm_reader_peek_vcpu(vmm_machine_reader(output->guest->machine), index, &vcpu, error))
        return FALSE;
    mode = find_mode(output->guest->kernel, &vcpu, error);
    if (!mode)
        return FALSE;
    title = g_strdup_printf("vCPU %u%s", index, mode->remark);
    stack = mode == &elsewhere ? intro_stack_new() : intro_stack_of_vcpu(output->guest->kernel, &vcpu, error);
    if (!stack) {
        g_prefix_error(error, "%s: ", title);
        return FALSE;
    }
    print_stack(output, title, index, mode->name, stack, FALSE);
    return TRUE;
}

static gboolean
show_all(Output *output, GPtrArray *tasks, GError **error)
{
    guint n_vcpus = vmm_reader_n_vcpus(vmm_machine_reader(output->guest->machine));

    for (guint i = 0; i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];
        g_autoptr(GError) gone = NULL;
        gboolean shown;

        if (task->is_idle || !task->stack || show_task(output, task->task, &shown, &gone))
            continue;
        /* A task that has exited since the list was made is no failure. */
        if (g_error_matches(gone, PATCH_ERROR, PATCH_ERROR_FAILED)) {
            g_propagate_error(error, g_steal_pointer(&gone));
            return FALSE;
        }
        g_debug("%s", gone->message);
    }
    for (guint i = 0; i < n_vcpus; i++)
        if (!show_vcpu(output, i, error))
            return FALSE;
    return TRUE;
}

static gboolean
show_pid(Output *output, GPtrArray *tasks, const char *text, GError **error)
{
    gboolean shown;
    guint64 pid;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT32, &pid, NULL)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s is not a process id", text);
        return FALSE;
    }
    for (guint i = 0; i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];

        if ((guint64) task->pid != pid || task->is_idle)
            continue;
        if (!show_task(output, task->task, &shown, error))
            return FALSE;
        if (shown)
            return TRUE;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "task %s (%s) is running on CPU %u; its stack is that of the vCPU", text, task->name, task->cpu);
        return FALSE;
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the guest has no task %s", text);
    return FALSE;
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(GPtrArray) tasks = NULL;
    g_autoptr(JsonBuilder) json = cli->json ? json_builder_new() : NULL;
    Output output = { .json = json };
    gboolean done = TRUE;
    int n_arguments = patch_cli_parse(&patch_cmd_stack, NULL, argc, argv, 1, G_MAXINT, error);

    if (n_arguments < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    tasks = guest ? intro_tasks(guest->kernel, error) : NULL;
    if (!tasks)
        return FALSE;
    output.guest = guest;
    output.frames_left = MORE_FRAMES + (guint64) tasks->len * FRAMES_OF_TASK;
    if (json)
        json_builder_begin_array(json);
    for (int i = 2; done && i <= n_arguments; i++)
        done = show_pid(&output, tasks, argv[i], error);
    if (n_arguments == 1)
        done = show_all(&output, tasks, error);
    if (json && done) {
        json_builder_end_array(json);
        patch_cli_print_json(json);
    }
    return done;
}

const PatchCommand patch_cmd_stack = {
    "stack", "GUEST [PID...]", "kernel stack of each sleeping task, as /proc/PID/stack, and of each vCPU", run
};
