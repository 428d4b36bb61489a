/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/tasks.h"
#include "patcher/command.h"
#include "patcher/guest.h"

static void
add_json(JsonBuilder *json, const IntroTask *task)
{
    const char state[] = { task->state, '\0' };

    json_builder_begin_object(json);
    patch_json_int(json, "pid", task->pid);
    patch_json_int(json, "tgid", task->tgid);
    patch_json_string(json, "state", state);
    patch_json_string(json, "name", task->name);
    patch_json_int(json, "cpu", task->cpu);
    patch_json_boolean(json, "kernel_thread", task->is_kernel_thread);
    json_builder_end_object(json);
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(GPtrArray) tasks = NULL;
    g_autoptr(JsonBuilder) json = json_builder_new();

    if (patch_cli_parse(&patch_cmd_tasks, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    tasks = guest ? intro_tasks(guest->kernel, error) : NULL;
    if (!tasks)
        return FALSE;
    if (!cli->json)
        g_print("%7s %s %3s %s\n", "PID", "S", "CPU", "NAME");
    json_builder_begin_array(json);
    for (guint i = 0; i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];

        if (task->is_idle)
            continue;
        if (cli->json)
            add_json(json, task);
        else
            g_print("%7d %c %3u %s\n", task->pid, task->state, task->cpu, task->name);
    }
    json_builder_end_array(json);
    if (cli->json)
        patch_cli_print_json(json);
    return TRUE;
}

const PatchCommand patch_cmd_tasks = { "tasks", "GUEST", "pid, state, cpu and name of every task", run };
