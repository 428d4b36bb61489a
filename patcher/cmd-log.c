/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/command.h"
#include "patcher/error.h"
#include "patcher/history.h"

static const char *
result_name(const PatchEvent *event)
{
    switch (event->status) {
    case PATCH_EXIT_DONE:
        return "done";
    case PATCH_EXIT_NOT_NOW:
        return "not now";
    case PATCH_EXIT_DOES_NOT_FIT:
        return "does not fit";
    case PATCH_EXIT_NOT_WELL:
        return "done, but the guest is not well";
    default:
        return "failed";
    }
}

static char *
format_time(gint64 us, const char *format)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(us / G_USEC_PER_SEC);
    g_autoptr(GDateTime) local = utc ? g_date_time_to_local(utc) : NULL;

    return local ? g_date_time_format(local, format) : g_strdup("?");
}

static void
print_event(const PatchEvent *event)
{
    g_autofree char *when = format_time(event->at, "%Y-%m-%d %H:%M:%S");

    g_print("%s  %s  %s %s  %s", when, event->guest, event->verb, *event->ids ? event->ids : "-", result_name(event));
    if (event->pause_ns)
        g_print(", stood still for %.2f ms", event->pause_ns / 1e6);
    g_print("  by %s (uid %" G_GINT64_FORMAT ")\n", event->user, event->uid);
    if (*event->message)
        g_print("    %s\n", event->message);
}

static void
add_event(JsonBuilder *json, const PatchEvent *event)
{
    g_autofree char *when = format_time(event->at, "%FT%T%:z");

    json_builder_begin_object(json);
    patch_json_string(json, "when", when);
    patch_json_string(json, "guest", event->guest);
    patch_json_string(json, "command", event->verb);
    patch_json_string(json, "ids", event->ids);
    patch_json_string(json, "user", event->user);
    patch_json_int(json, "uid", event->uid);
    patch_json_int(json, "pause_ns", event->pause_ns);
    patch_json_int(json, "status", event->status);
    patch_json_string(json, "message", event->message);
    json_builder_end_object(json);
}

static gboolean
run_log(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    int n_arguments = patch_cli_parse(&patch_cmd_log, NULL, argc, argv, 0, 1, error);
    g_autoptr(GPtrArray) events = n_arguments < 0 ? NULL : patch_history_read(n_arguments ? argv[1] : NULL, error);
    g_autoptr(JsonBuilder) json = json_builder_new();

    if (!events)
        return FALSE;
    json_builder_begin_array(json);
    for (guint i = 0; i < events->len; i++) {
        if (cli->json)
            add_event(json, events->pdata[i]);
        else
            print_event(events->pdata[i]);
    }
    json_builder_end_array(json);
    if (cli->json)
        patch_cli_print_json(json);
    return TRUE;
}

const PatchCommand patch_cmd_log = { "log", "[GUEST]", "what was done to a guest, or to all, and by whom", run_log };
