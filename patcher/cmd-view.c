/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view: what is installed, and what has become of it.
 */
#include "patcher/command.h"
#include "patcher/error.h"
#include "patcher/installed.h"
#include "patcher/jumps.h"
#include "patcher/kept.h"
#include "patcher/module.h"
#include "patcher/value-text.h"
#include "patcher/values.h"

static char *
local_time(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(seconds);

    return time ? g_date_time_format(time, "%F %T") : g_strdup("at an unknown time");
}

static const char *
state_word(const PatchInstalled *update)
{
    for (guint i = 0; i < update->records->len; i++)
        if (((const PatchRecord *) update->records->pdata[i])->state != PATCH_STATE_INSTALLED)
            return "interrupted";
    return update->waiting->len + update->gone->len > 0 ? "installed in part" : "installed";
}

static const char *
jump_word(PatchJumpState state)
{
    switch (state) {
    case PATCH_JUMP_IN_FORCE:
        return "in force";
    case PATCH_JUMP_SUPERSEDED:
        return "superseded";
    case PATCH_JUMP_GONE:
        return "gone with its module";
    case PATCH_JUMP_ABSENT:
    case PATCH_JUMP_ALTERED:
        break;
    }
    return "altered";
}

static void
print_jump(const PatchInstalled *update, const PatchRecord *record, const PatchJump *jump)
{
    const IntroKernel *kernel = update->guest->kernel;
    PatchJumpState state = patch_jump_state(kernel, update->arena, record, jump);
    const PatchRecord *latest = patch_jumps_latest(kernel, update->arena, NULL, jump->jump_va, NULL);

    g_print("    %s%s%s at %#" G_GINT64_MODIFIER "x, replacement at %#" G_GINT64_MODIFIER "x (%" G_GUINT64_FORMAT
            " bytes)%s%s%s%s\n", jump->name, *record->module.name ? " of " : "", record->module.name, jump->va,
            jump->replacement_va, jump->replacement_size, state == PATCH_JUMP_IN_FORCE ? "" : ", ",
            state == PATCH_JUMP_IN_FORCE ? "" : jump_word(state),
            state == PATCH_JUMP_SUPERSEDED && latest ? " by " : "",
            state == PATCH_JUMP_SUPERSEDED && latest ? latest->id : "");
}

static const char *
value_word(PatchValueState state)
{
    switch (state) {
    case PATCH_VALUE_IN_FORCE:
        return "in force";
    case PATCH_VALUE_SUPERSEDED:
        return "superseded";
    case PATCH_VALUE_GONE:
        return "gone";
    case PATCH_VALUE_RESTORED:
    case PATCH_VALUE_ALTERED:
        break;
    }
    return "altered";
}

static char *
value_text(const PatchValue *value, GBytes *bytes)
{
    return patch_value_bytes_text(value, g_bytes_get_data(bytes, NULL));
}

static void
print_value(const PatchInstalled *update, const PatchRecord *record, const PatchValue *value)
{
    g_autofree char *now = NULL, *before = value_text(value, value->before), *after = value_text(value, value->after);
    PatchValueState state = patch_value_state(update->guest->kernel, update->arena, record, value, &now);

    g_print("    %s%s%s at %#" G_GINT64_MODIFIER "x, %s in place of %s%s%s%s%s\n", value->name,
            *record->module.name ? " of " : "", record->module.name, value->va, after, before,
            state == PATCH_VALUE_IN_FORCE ? "" : ", ", state == PATCH_VALUE_IN_FORCE ? "" : value_word(state),
            state == PATCH_VALUE_RESTORED || state == PATCH_VALUE_ALTERED ? ": holds " : "",
            state == PATCH_VALUE_RESTORED || state == PATCH_VALUE_ALTERED ? now : "");
}

static const char *
how_to_go_on(const PatchInstalled *update, const char *module)
{
    return patch_module_state(update->guest->kernel, module, NULL) == PATCH_MODULE_NOT_LOADED
               ? "it is not loaded" : "it is loaded by now: apply the update again";
}

static guint64
region_bytes(const PatchInstalled *update)
{
    guint64 bytes = 0;

    for (guint r = 0; r < update->records->len; r++)
        bytes += ((const PatchRecord *) update->records->pdata[r])->region_bytes;
    return bytes;
}

static void
print_update(const PatchInstalled *update)
{
    const PatchRecord *first = update->records->pdata[0];
    g_autofree char *when = local_time(first->applied_at);
    g_autofree char *cves = g_strjoinv(" ", first->cves);

    g_print("%s  %s  %s  %s%s%s\n", first->id, when, state_word(update), first->description, *cves ? "  " : "", cves);
    for (guint r = 0; r < update->records->len; r++) {
        const PatchRecord *record = update->records->pdata[r];

        for (guint i = 0; i < record->jumps->len; i++)
            print_jump(update, record, record->jumps->pdata[i]);
        for (guint i = 0; i < record->values->len; i++)
            print_value(update, record, record->values->pdata[i]);
    }
    if (region_bytes(update) > 0)
        g_print("    in %" G_GUINT64_FORMAT " KiB that the guest's own allocator has given\n", region_bytes(update) >> 10);
    for (guint i = 0; i < update->waiting->len; i++)
        g_print("    the part for module %s waits; %s\n", (const char *) update->waiting->pdata[i],
                how_to_go_on(update, update->waiting->pdata[i]));
    for (guint i = 0; i < update->gone->len; i++)
        g_print("    module %s was unloaded, and its part went with it; %s\n", (const char *) update->gone->pdata[i],
                how_to_go_on(update, update->gone->pdata[i]));
}

static void
add_jump(JsonBuilder *json, const PatchInstalled *update, const PatchRecord *record, const PatchJump *jump)
{
    PatchJumpState state = patch_jump_state(update->guest->kernel, update->arena, record, jump);

    json_builder_begin_object(json);
    patch_json_string(json, "name", jump->name);
    patch_json_string(json, "module", record->module.name);
    patch_json_string(json, "state", jump_word(state));
    patch_json_address(json, "address", jump->va);
    patch_json_address(json, "replacement", jump->replacement_va);
    patch_json_int(json, "replacement_bytes", jump->replacement_size);
    json_builder_end_object(json);
}

static void
add_value(JsonBuilder *json, const PatchInstalled *update, const PatchRecord *record, const PatchValue *value)
{
    g_autofree char *now = NULL, *before = value_text(value, value->before), *after = value_text(value, value->after);
    PatchValueState state = patch_value_state(update->guest->kernel, update->arena, record, value, &now);

    json_builder_begin_object(json);
    patch_json_string(json, "name", value->name);
    patch_json_string(json, "module", record->module.name);
    patch_json_string(json, "state", value_word(state));
    patch_json_address(json, "address", value->va);
    patch_json_int(json, "bytes", g_bytes_get_size(value->after));
    patch_json_string(json, "before", before);
    patch_json_string(json, "after", after);
    if (now)
        patch_json_string(json, "now", now);
    json_builder_end_object(json);
}

static void
add_values(JsonBuilder *json, const PatchInstalled *update)
{
    patch_json_array(json, "data");
    for (guint r = 0; r < update->records->len; r++) {
        const PatchRecord *record = update->records->pdata[r];

        for (guint i = 0; i < record->values->len; i++)
            add_value(json, update, record, record->values->pdata[i]);
    }
    json_builder_end_array(json);
}

static void
add_update(JsonBuilder *json, const PatchInstalled *update)
{
    const PatchRecord *first = update->records->pdata[0];

    json_builder_begin_object(json);
    patch_json_string(json, "id", first->id);
    patch_json_string(json, "state", state_word(update));
    patch_json_string(json, "description", first->description);
    patch_json_string(json, "kernel", first->kernel);
    patch_json_string(json, "applied_by", first->tool);
    patch_json_int(json, "applied_at", first->applied_at);
    patch_json_strings(json, "cves", first->cves);
    patch_json_texts(json, "waiting", update->waiting);
    patch_json_texts(json, "gone", update->gone);
    patch_json_array(json, "functions");
    for (guint r = 0; r < update->records->len; r++) {
        const PatchRecord *record = update->records->pdata[r];

        for (guint i = 0; i < record->jumps->len; i++)
            add_jump(json, update, record, record->jumps->pdata[i]);
    }
    json_builder_end_array(json);
    add_values(json, update);
    patch_json_int(json, "allocated_bytes", region_bytes(update));
    json_builder_end_object(json);
}

static void
add_variable(JsonBuilder *json, const PatchPlaced *placed)
{
    if (!patch_kept_is_variable(placed))
        return;
    json_builder_begin_object(json);
    patch_json_string(json, "name", placed->name);
    patch_json_address(json, "address", placed->va);
    patch_json_int(json, "bytes", placed->size);
    json_builder_end_object(json);
}

static void
add_kept(JsonBuilder *json, const GPtrArray *kept)
{
    patch_json_array(json, "kept");
    for (guint i = 0; i < kept->len; i++) {
        const PatchRecord *record = kept->pdata[i];

        json_builder_begin_object(json);
        patch_json_string(json, "id", record->id);
        patch_json_address(json, "address", record->block.va);
        patch_json_int(json, "bytes", patch_kept_bytes(record));
        patch_json_array(json, "variables");
        for (guint p = 0; p < record->placed->len; p++)
            add_variable(json, record->placed->pdata[p]);
        json_builder_end_array(json);
        patch_json_int(json, "occupied_bytes", MAX(record->block.length, record->region_bytes));
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

/* Beside the list: what is undone is not installed. */
static void
print_kept(const GPtrArray *kept, const char *guest)
{
    for (guint i = 0; i < kept->len; i++) {
        const PatchRecord *record = kept->pdata[i];
        g_autofree char *text = patch_kept_text(record);

        g_printerr("%s: %s is undone; %s, in %" G_GUINT64_FORMAT " KiB at %#"
                   G_GINT64_MODIFIER "x, stay until the guest boots, as objects in it may use them\n", guest, record->id,
                   text, MAX(record->block.length, record->region_bytes) >> 10, record->block.va);
    }
}

static void
view_json(const GPtrArray *updates, const PatchArena *arena)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    patch_json_array(json, "updates");
    for (guint i = 0; i < updates->len; i++)
        add_update(json, updates->pdata[i]);
    json_builder_end_array(json);
    add_kept(json, patch_arena_kept(arena));
    patch_json_texts(json, "damaged", patch_arena_damaged(arena));
    json_builder_end_object(json);
    patch_cli_print_json(json);
}

static void
view_text(const PatchCli *cli, const GPtrArray *updates, const PatchArena *arena, const char *guest)
{
    GPtrArray *damaged = patch_arena_damaged(arena);

    for (guint i = 0; i < updates->len; i++)
        print_update(updates->pdata[i]);
    if (!cli->quiet)
        print_kept(patch_arena_kept(arena), guest);
    for (guint i = 0; i < damaged->len; i++)
        g_printerr("%s: %s\n", guest, (const char *) damaged->pdata[i]);
    if (updates->len + damaged->len == 0 && !cli->quiet)
        g_printerr("%s: no update is installed\n", guest);
}

static gboolean
run_view(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(PatchArena) arena = NULL;
    g_autoptr(GPtrArray) updates = NULL;

    if (patch_cli_parse(&patch_cmd_view, NULL, argc, argv, 1, 1, error) < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    arena = guest ? patch_arena_open(guest->kernel, error) : NULL;
    if (!arena)
        return FALSE;
    updates = patch_installed_updates(guest, arena);
    if (cli->json)
        view_json(updates, arena);
    else
        view_text(cli, updates, arena, argv[1]);
    return TRUE;
}

const PatchCommand patch_cmd_view = { "view", "GUEST", "updates installed in the guest", run_view };
