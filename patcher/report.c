/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/report.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/guest-log.h"
#include "patcher/value-text.h"

static void
add_functions(JsonBuilder *json, const GPtrArray *records)
{
    patch_json_array(json, "functions");
    for (guint r = 0; r < records->len; r++) {
        const PatchRecord *record = records->pdata[r];

        for (guint i = 0; i < record->jumps->len; i++) {
            const PatchJump *jump = record->jumps->pdata[i];

            json_builder_begin_object(json);
            patch_json_string(json, "id", record->id);
            patch_json_string(json, "name", jump->name);
            patch_json_string(json, "module", record->module.name);
            patch_json_address(json, "address", jump->va);
            patch_json_address(json, "replacement", jump->replacement_va);
            json_builder_end_object(json);
        }
    }
    json_builder_end_array(json);
}

static char *
value_text(const PatchValue *value, GBytes *bytes)
{
    return patch_value_text(value->form, g_bytes_get_data(value->mask, NULL), g_bytes_get_data(bytes, NULL),
                            g_bytes_get_size(bytes));
}

static void
add_data(JsonBuilder *json, const GPtrArray *records)
{
    patch_json_array(json, "data");
    for (guint r = 0; r < records->len; r++) {
        const PatchRecord *record = records->pdata[r];

        for (guint i = 0; i < record->values->len; i++) {
            const PatchValue *value = record->values->pdata[i];
            g_autofree char *before = value_text(value, value->before), *after = value_text(value, value->after);

            json_builder_begin_object(json);
            patch_json_string(json, "id", record->id);
            patch_json_string(json, "name", value->name);
            patch_json_string(json, "module", record->module.name);
            patch_json_address(json, "address", value->va);
            patch_json_string(json, "before", before);
            patch_json_string(json, "after", after);
            json_builder_end_object(json);
        }
    }
    json_builder_end_array(json);
}

static char **
ids_of(const GPtrArray *records)
{
    g_autofree char *ids = patch_plan_ids(records);

    return g_strsplit(ids, ", ", -1);
}

/* Modules that an application did not find: all of its records say the same. */
static char **
waiting_of(const PatchPlan *plan)
{
    return plan->records->len > 0 ? ((const PatchRecord *) plan->records->pdata[0])->waiting : NULL;
}

/* "id" is there if it is but one, "ids" always. */
static void
add_subject(JsonBuilder *json, const PatchPlan *plan, const char *guest, const char *result)
{
    g_auto(GStrv) ids = ids_of(plan->records), replaced = ids_of(plan->replaced);

    if (g_strv_length(ids) == 1)
        patch_json_string(json, "id", ids[0]);
    patch_json_strings(json, "ids", ids);
    patch_json_strings(json, "replaced", replaced);
    patch_json_strings(json, "waiting", waiting_of(plan));
    patch_json_string(json, "guest", guest);
    patch_json_string(json, "result", result);
}

/* "1 function", "2 data", "3 functions and 1 datum"; to be freed. */
static char *
count_text(const PatchPlan *plan)
{
    guint n_functions = 0, n_data = 0;
    g_autofree char *functions = NULL, *data = NULL;

    for (guint i = 0; i < plan->records->len; i++) {
        const PatchRecord *record = plan->records->pdata[i];

        n_functions += record->jumps->len;
        n_data += record->values->len;
    }
    functions = g_strdup_printf("%u function%s", n_functions, n_functions == 1 ? "" : "s");
    data = g_strdup_printf("%u %s", n_data, n_data == 1 ? "datum" : "data");
    if (n_data == 0)
        return g_steal_pointer(&functions);
    return n_functions == 0 ? g_steal_pointer(&data) : g_strdup_printf("%s and %s", functions, data);
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
print_places(const PatchPlan *plan)
{
    for (guint r = 0; r < plan->records->len; r++) {
        const PatchRecord *record = plan->records->pdata[r];

        for (guint i = 0; i < record->jumps->len; i++) {
            const PatchJump *jump = record->jumps->pdata[i];

            g_printerr("  %s%s%s at %#" G_GINT64_MODIFIER "x, replacement at %#" G_GINT64_MODIFIER "x\n", jump->name,
                       *record->module.name ? " of " : "", record->module.name, jump->va, jump->replacement_va);
        }
        for (guint i = 0; i < record->values->len; i++) {
            const PatchValue *value = record->values->pdata[i];
            g_autofree char *before = value_text(value, value->before), *after = value_text(value, value->after);

            g_printerr("  %s%s%s at %#" G_GINT64_MODIFIER "x, %s in place of %s\n", value->name,
                       *record->module.name ? " of " : "", record->module.name, value->va, after, before);
        }
    }
}

static void
print_waiting(const PatchPlan *plan, const char *guest)
{
    for (char **module = waiting_of(plan); module && *module; module++)
        g_printerr("%s: the part for module %s waits: it is not loaded; apply again when it is\n", guest, *module);
}

void
patch_report_plan(const PatchCli *cli, const PatchPlan *plan, const char *guest)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autofree char *ids = patch_plan_ids(plan->records), *count = count_text(plan);

    if (cli->verbose)
        print_places(plan);
    if (!cli->json) {
        g_print("%s fits %s: %s, %zu bytes to write, no task in the way at the moment\n", ids, guest, count,
                bytes_written(plan));
        if (!cli->quiet)
            print_waiting(plan, guest);
        return;
    }
    json_builder_begin_object(json);
    add_subject(json, plan, guest, "fits");
    patch_json_int(json, "bytes", bytes_written(plan));
    add_functions(json, plan->records);
    add_data(json, plan->records);
    json_builder_end_object(json);
    patch_cli_print_json(json);
}

static const char *
result_word(const PatchPlan *plan)
{
    return strcmp(plan->verb, "apply") == 0 ? "applied" : strcmp(plan->verb, "undo") == 0 ? "undone" : "recovered";
}

/* "update A applied in place of B" */
static char *
describe_result(const PatchPlan *plan)
{
    g_autofree char *ids = patch_plan_ids(plan->records), *replaced = patch_plan_ids(plan->replaced);

    return g_strdup_printf("update %s %s%s%s", ids, result_word(plan), *replaced ? " in place of " : "", replaced);
}

void
patch_report_in_guest(const PatchCli *cli, const PatchGuest *guest, const PatchPlan *plan, PatchReport *report)
{
    const PatchRecord *first = plan->records->len > 0 ? plan->records->pdata[0] : NULL;
    g_autofree char *text = describe_result(plan);
    g_autoptr(GError) error = NULL;

    if (!first || patch_guest_log(guest, first->id, text, &report->commit.others, &error))
        return;
    if (cli->verbose || !g_error_matches(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT))
        g_printerr("%s: the guest's own log does not tell of it: %s\n", vmm_machine_name(guest->machine),
                   error->message);
}

static void
print_result(const PatchPlan *plan, const char *guest, const PatchCommitReport *report)
{
    g_autofree char *what = describe_result(plan), *count = count_text(plan);
    g_autofree char *earlier =
        report->tries.n > 0 ? g_strdup_printf(", and for %.2f ms in %u earlier tries", report->tries.total_ns / 1e6,
                                              report->tries.n) : g_strdup("");

    g_printerr("%s: %s: %s; the guest stood still for %.2f ms%s\n", guest, what, count, report->stood_ns / 1e6, earlier);
    for (guint i = 0; i < plan->notes->len; i++)
        g_printerr("%s: %s\n", guest, (const char *) plan->notes->pdata[i]);
    print_waiting(plan, guest);
}

static void
print_ids(const PatchPlan *plan)
{
    g_auto(GStrv) ids = ids_of(plan->records);

    for (char **id = ids; *id; id++)
        g_print("%s\n", *id);
}

static void
print_times(const PatchPlan *plan, const PatchCommitReport *report)
{
    g_printerr("  of the pause, %.2f ms went to stacks (%u looked at again) and %.2f ms to memory; %zu bytes were written\n",
               report->look_ns / 1e6, report->n_tasks_again, report->write_ns / 1e6, bytes_written(plan));
    if (report->others.n > 0)
        g_printerr("  before and after it, the guest was stopped %u times to prepare and clean, for %.2f ms at most\n",
                   report->others.n, report->others.longest_ns / 1e6);
}

static void
add_pauses(JsonBuilder *json, const char *name, const PatchPauses *pauses)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    patch_json_int(json, "number", pauses->n);
    patch_json_int(json, "total_ns", pauses->total_ns);
    patch_json_int(json, "longest_ns", pauses->longest_ns);
    json_builder_end_object(json);
}

/* One that came to no good after the change was made; what refuses it is an error. */
static void
print_hooks(const char *guest, const GPtrArray *hooks)
{
    for (guint i = 0; i < hooks->len; i++) {
        const PatchHookResult *hook = hooks->pdata[i];

        if (hook->failure)
            g_printerr("%s: %s\n", guest, hook->failure);
        else if (hook->result != 0)
            g_printerr("%s: the %s hook %s returned %d (%s)\n", guest, patch_hook_kind_name(hook->kind), hook->name,
                       hook->result, g_strerror(ABS(hook->result)));
    }
}

static void
add_hooks(JsonBuilder *json, const GPtrArray *hooks)
{
    patch_json_array(json, "hooks");
    for (guint i = 0; i < hooks->len; i++) {
        const PatchHookResult *hook = hooks->pdata[i];

        json_builder_begin_object(json);
        patch_json_string(json, "name", hook->name);
        patch_json_string(json, "kind", patch_hook_kind_name(hook->kind));
        if (hook->failure)
            patch_json_string(json, "failure", hook->failure);
        else
            patch_json_int(json, "result", hook->result);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void
add_watch(JsonBuilder *json, const PatchWatchReport *watched)
{
    static const char *const words[] = {
        [PATCH_HEALTH_WELL] = "well", [PATCH_HEALTH_ILL] = "not well", [PATCH_HEALTH_UNKNOWN] = "unknown",
    };

    json_builder_set_member_name(json, "watched");
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "seconds");
    json_builder_add_double_value(json, watched->watched_s);
    patch_json_string(json, "health", words[watched->health]);
    patch_json_string(json, "seen", watched->seen ? watched->seen : "");
    patch_json_boolean(json, "undone", watched->undone);
    json_builder_end_object(json);
}

void
patch_report_commit(const PatchCli *cli, const PatchPlan *plan, const char *guest, const PatchReport *all)
{
    const PatchCommitReport *report = &all->commit;
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autofree char *ids = patch_plan_ids(plan->records);

    patch_event_set_ids(*cli->event, ids);
    (*cli->event)->pause_ns = report->stood_ns;
    if (cli->verbose) {
        print_places(plan);
        print_times(plan, report);
    }
    print_hooks(guest, all->hooks);
    if (!cli->json) {
        print_ids(plan);
        if (!cli->quiet)
            print_result(plan, guest, report);
        return;
    }
    json_builder_begin_object(json);
    add_subject(json, plan, guest, result_word(plan));
    patch_json_int(json, "pause_ns", report->stood_ns);
    patch_json_int(json, "pause_stacks_ns", report->look_ns);
    patch_json_int(json, "pause_writes_ns", report->write_ns);
    patch_json_int(json, "pause_stacks", report->n_tasks_again);
    add_pauses(json, "tries", &report->tries);
    add_pauses(json, "other_pauses", &report->others);
    patch_json_int(json, "bytes", bytes_written(plan));
    add_functions(json, plan->records);
    add_hooks(json, all->hooks);
    add_data(json, plan->records);
    patch_json_texts(json, "notes", plan->notes);
    if (all->watched)
        add_watch(json, all->watched);
    json_builder_end_object(json);
    patch_cli_print_json(json);
}

void
patch_report_watch(const PatchCli *cli, const char *guest, const PatchWatchReport *watched)
{
    if (watched->health == PATCH_HEALTH_UNKNOWN && !cli->quiet)
        g_printerr("%s: watched for %.1f s only: %s\n", guest, watched->watched_s, watched->seen);
    else if (cli->verbose)
        g_printerr("  watched for %.1f s: its CPUs move, and its log tells of nothing wrong\n", watched->watched_s);
}
