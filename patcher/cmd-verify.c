/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: whether what is installed still is what was installed.
 */
#include "patcher/command.h"
#include "patcher/error.h"
#include "patcher/installed.h"
#include "patcher/plan-undo.h"

static guint
verify_update(const PatchInstalled *update, JsonBuilder *json)
{
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    const char *id = ((const PatchRecord *) update->records->pdata[0])->id;

    for (guint i = 0; i < update->records->len; i++)
        g_ptr_array_extend_and_steal(findings, patch_verify_record(update->guest->kernel, update->arena,
                                                                   update->records->pdata[i]));
    if (json) {
        json_builder_begin_object(json);
        patch_json_string(json, "id", id);
        patch_json_boolean(json, "intact", findings->len == 0);
        patch_json_texts(json, "findings", findings);
        json_builder_end_object(json);
        return findings->len;
    }
    g_print("%s  %s\n", id, findings->len == 0 ? "intact" : "altered");
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
    g_autoptr(GPtrArray) updates = NULL;
    guint n_findings = 0;

    if (patch_cli_parse(&patch_cmd_verify, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    arena = guest ? patch_arena_open(guest->kernel, error) : NULL;
    if (!arena)
        return FALSE;
    if (json)
        json_builder_begin_array(json);
    updates = patch_installed_updates(guest, arena);
    for (guint i = 0; i < updates->len; i++)
        n_findings += verify_update(updates->pdata[i], json);
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

const PatchCommand patch_cmd_verify = {
    "verify", "GUEST", "is every byte that was installed still what was installed", run_verify
};
