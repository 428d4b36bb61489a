/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/report.h"

#include <string.h>

static void
add_functions(JsonBuilder *json, const PatchRecord *record)
{
    patch_json_array(json, "functions");
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        json_builder_begin_object(json);
        patch_json_string(json, "name", jump->name);
        patch_json_string(json, "module", jump->module);
        patch_json_address(json, "address", jump->va);
        patch_json_address(json, "replacement", jump->replacement_va);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static gsize
bytes_written(const PatchPlan *plan)
{
    gsize bytes = 0;

    for (guint i = 0; i < plan->writes->len; i++)
        bytes += g_bytes_get_size(((const PatchWrite *) plan->writes->pdata[i])->after);
    return bytes;
}

static void
print_functions(const PatchRecord *record)
{
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        g_printerr("  %s at %#" G_GINT64_MODIFIER "x, replacement at %#" G_GINT64_MODIFIER "x\n", jump->name, jump->va,
                   jump->replacement_va);
    }
}

void
patch_report_plan(const PatchCli *cli, const PatchPlan *plan, const char *guest)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    if (cli->verbose)
        print_functions(plan->record);
    if (!cli->json) {
        g_print("%s fits %s: %u function%s, %zu bytes to write, no task in the way at the moment\n", plan->record->id,
                guest, plan->record->jumps->len, plan->record->jumps->len == 1 ? "" : "s", bytes_written(plan));
        return;
    }
    json_builder_begin_object(json);
    patch_json_string(json, "id", plan->record->id);
    patch_json_string(json, "guest", guest);
    patch_json_string(json, "result", "fits");
    patch_json_int(json, "bytes", bytes_written(plan));
    add_functions(json, plan->record);
    json_builder_end_object(json);
    patch_cli_print_json(json);
}

static void
print_result(const PatchPlan *plan, const char *guest, const PatchCommitReport *report, gboolean is_undo)
{
    guint n_functions = plan->record->jumps->len;
    g_autofree char *earlier =
        report->n_pauses > 1 ? g_strdup_printf(", and for %.2f ms in %u earlier tries", report->earlier_ns / 1e6,
                                               report->n_pauses - 1) : g_strdup("");

    g_printerr("%s: update %s %s: %u function%s; the guest stood still for %.2f ms%s\n", guest, plan->record->id,
               is_undo ? "undone" : "applied", n_functions, n_functions == 1 ? "" : "s", report->stood_ns / 1e6, earlier);
}

void
patch_report_commit(const PatchCli *cli, const PatchPlan *plan, const char *guest, const PatchCommitReport *report)
{
    gboolean is_undo = strcmp(plan->verb, "undo") == 0;
    g_autoptr(JsonBuilder) json = json_builder_new();

    if (cli->verbose) {
        print_functions(plan->record);
        g_printerr("  %.2f ms on stacks (%u looked at again), %.2f ms on writing %zu bytes\n", report->look_ns / 1e6,
                   report->n_tasks_again, report->write_ns / 1e6, bytes_written(plan));
    }
    if (!cli->json) {
        g_print("%s\n", plan->record->id);
        if (!cli->quiet)
            print_result(plan, guest, report, is_undo);
        return;
    }
    json_builder_begin_object(json);
    patch_json_string(json, "id", plan->record->id);
    patch_json_string(json, "guest", guest);
    patch_json_string(json, "result", is_undo ? "undone" : "applied");
    patch_json_int(json, "pause_ns", report->stood_ns);
    patch_json_int(json, "pause_stacks_ns", report->look_ns);
    patch_json_int(json, "pause_writes_ns", report->write_ns);
    patch_json_int(json, "pauses", report->n_pauses);
    patch_json_int(json, "earlier_pauses_ns", report->earlier_ns);
    patch_json_int(json, "bytes", bytes_written(plan));
    add_functions(json, plan->record);
    json_builder_end_object(json);
    patch_cli_print_json(json);
}
