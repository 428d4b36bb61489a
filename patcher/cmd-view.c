/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view and verify: what is installed, and whether it still is what was installed.
 */
#include "patcher/arena.h"
#include "patcher/command.h"
#include "patcher/error.h"
#include "patcher/guest.h"
#include "patcher/plan-undo.h"

static char *
local_time(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(seconds);

    return time ? g_date_time_format(time, "%F %T") : g_strdup("at an unknown time");
}

static const char *
state_word(PatchState state)
{
    return state == PATCH_STATE_INSTALLED ? "installed" : "interrupted";
}

static void
print_record(const PatchRecord *record)
{
    g_autofree char *when = local_time(record->applied_at);
    g_autofree char *cves = g_strjoinv(" ", record->cves);

    g_print("%s  %s  %s  %s%s%s\n", record->id, when, state_word(record->state), record->description,
            *cves ? "  " : "", cves);
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        g_print("    %s%s%s at %#" G_GINT64_MODIFIER "x, replacement at %#" G_GINT64_MODIFIER "x (%" G_GUINT64_FORMAT
                " bytes)\n", jump->name, *jump->module ? " of " : "", jump->module, jump->va, jump->replacement_va,
                jump->replacement_size);
    }
}

static void
add_record(JsonBuilder *json, const PatchRecord *record)
{
    json_builder_begin_object(json);
    patch_json_string(json, "id", record->id);
    patch_json_string(json, "state", state_word(record->state));
    patch_json_string(json, "description", record->description);
    patch_json_string(json, "kernel", record->kernel);
    patch_json_string(json, "applied_by", record->tool);
    patch_json_int(json, "applied_at", record->applied_at);
    patch_json_array(json, "cves");
    for (char **cve = record->cves; *cve; cve++)
        json_builder_add_string_value(json, *cve);
    json_builder_end_array(json);
    patch_json_array(json, "functions");
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        json_builder_begin_object(json);
        patch_json_string(json, "name", jump->name);
        patch_json_string(json, "module", jump->module);
        patch_json_address(json, "address", jump->va);
        patch_json_address(json, "replacement", jump->replacement_va);
        patch_json_int(json, "replacement_bytes", jump->replacement_size);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
}

static void
add_strings(JsonBuilder *json, const char *name, const GPtrArray *strings)
{
    patch_json_array(json, name);
    for (guint i = 0; i < strings->len; i++)
        json_builder_add_string_value(json, strings->pdata[i]);
    json_builder_end_array(json);
}

static void
view_json(const PatchArena *arena)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    GPtrArray *records = patch_arena_records(arena);

    json_builder_begin_object(json);
    patch_json_array(json, "updates");
    for (guint i = 0; i < records->len; i++)
        add_record(json, records->pdata[i]);
    json_builder_end_array(json);
    add_strings(json, "damaged", patch_arena_damaged(arena));
    json_builder_end_object(json);
    patch_cli_print_json(json);
}

static void
view_text(const PatchCli *cli, const PatchArena *arena, const char *guest)
{
    GPtrArray *records = patch_arena_records(arena), *damaged = patch_arena_damaged(arena);

    for (guint i = 0; i < records->len; i++)
        print_record(records->pdata[i]);
    for (guint i = 0; i < damaged->len; i++)
        g_printerr("%s: %s\n", guest, (const char *) damaged->pdata[i]);
    if (records->len + damaged->len == 0 && !cli->quiet)
        g_printerr("%s: no update is installed\n", guest);
}

static gboolean
run_view(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;

    if (patch_cli_parse(&patch_cmd_view, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    arena = guest ? patch_arena_open(guest->kernel, error) : NULL;
    if (!arena)
        return FALSE;
    if (cli->json)
        view_json(arena);
    else
        view_text(cli, arena, argv[1]);
    return TRUE;
}

static guint
verify_record(const PatchGuest *guest, const PatchRecord *record, JsonBuilder *json)
{
    g_autoptr(GPtrArray) findings = patch_verify_record(guest->kernel, record);

    if (json) {
        json_builder_begin_object(json);
        patch_json_string(json, "id", record->id);
        patch_json_boolean(json, "intact", findings->len == 0);
        add_strings(json, "findings", findings);
        json_builder_end_object(json);
        return findings->len;
    }
    g_print("%s  %s\n", record->id, findings->len == 0 ? "intact" : "altered");
    for (guint i = 0; i < findings->len; i++)
        g_print("    %s\n", (const char *) findings->pdata[i]);
    return findings->len;
}

static gboolean
run_verify(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;
    g_autoptr(JsonBuilder) json = cli->json ? json_builder_new() : NULL;
    guint n_findings = 0;

    if (patch_cli_parse(&patch_cmd_verify, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    arena = guest ? patch_arena_open(guest->kernel, error) : NULL;
    if (!arena)
        return FALSE;
    if (json)
        json_builder_begin_array(json);
    for (guint i = 0; i < patch_arena_records(arena)->len; i++)
        n_findings += verify_record(guest, patch_arena_records(arena)->pdata[i], json);
    if (json) {
        json_builder_end_array(json);
        patch_cli_print_json(json);
    }
    n_findings += patch_arena_damaged(arena)->len;
    for (guint i = 0; i < patch_arena_damaged(arena)->len; i++)
        g_printerr("%s: %s\n", argv[1], (const char *) patch_arena_damaged(arena)->pdata[i]);
    *status = n_findings == 0 ? PATCH_EXIT_DONE : PATCH_EXIT_FAILED;
    return TRUE;
}

const PatchCommand patch_cmd_view = { "view", "GUEST", "updates installed in the guest", run_view };

const PatchCommand patch_cmd_verify = {
    "verify", "GUEST", "is every byte that was installed still what was installed", run_verify
};
