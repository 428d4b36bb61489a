/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/changes.h"
#include "patcher/command.h"
#include "patcher/error.h"
#include "vmm/sandbox.h"

static void
print_text(const PatchChanges *changes)
{
    for (guint i = 0; i < changes->changes->len; i++) {
        const PatchChange *change = changes->changes->pdata[i];
        const char *what = change->is_function ? "function" : "datum";

        g_print("%-8s %-9s %-40s", patch_change_kind_name(change->kind), what, change->name);
        if (change->kind == PATCH_NEW)
            g_print(" %6" G_GUINT64_FORMAT " bytes", change->new_bytes);
        else if (change->kind == PATCH_GONE)
            g_print(" %6" G_GUINT64_FORMAT " bytes", change->old_bytes);
        else
            g_print(" %6" G_GUINT64_FORMAT " -> %6" G_GUINT64_FORMAT " bytes", change->old_bytes, change->new_bytes);
        if (*change->cause)
            g_print("  calls %s, which cannot be replaced itself", change->cause);
        else if (!change->is_function)
            g_print("  in %s", change->section);
        g_print("\n");
    }
    for (guint i = 0; i < changes->findings->len; i++) {
        const PatchFinding *finding = changes->findings->pdata[i];

        g_print("cannot be carried (%s): %s\n", patch_finding_class_name(finding->class), finding->text);
    }
    if (!changes->changes->len && !changes->findings->len)
        g_print("no change in meaning\n");
}

static void
add_change(JsonBuilder *builder, const PatchChange *change)
{
    json_builder_begin_object(builder);
    patch_json_string(builder, "change", patch_change_kind_name(change->kind));
    patch_json_string(builder, "kind", change->is_function ? "function" : "datum");
    patch_json_string(builder, "name", change->name);
    patch_json_string(builder, "section", change->section);
    if (change->kind != PATCH_NEW)
        patch_json_int(builder, "old_bytes", change->old_bytes);
    if (change->kind != PATCH_GONE)
        patch_json_int(builder, "new_bytes", change->new_bytes);
    if (*change->cause)
        patch_json_string(builder, "cause", change->cause);
    json_builder_end_object(builder);
}

static void
print_json(const PatchChanges *changes)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    patch_json_array(builder, "changes");
    for (guint i = 0; i < changes->changes->len; i++)
        add_change(builder, changes->changes->pdata[i]);
    json_builder_end_array(builder);
    patch_json_array(builder, "cannot_be_carried");
    for (guint i = 0; i < changes->findings->len; i++) {
        const PatchFinding *finding = changes->findings->pdata[i];

        json_builder_begin_object(builder);
        patch_json_string(builder, "class", patch_finding_class_name(finding->class));
        patch_json_string(builder, "name", finding->name);
        patch_json_string(builder, "text", finding->text);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    patch_cli_print_json(builder);
}

/* 1 means that there are changes, so what goes wrong has to be told by another status. */
static gboolean
not_usable(GError **error, GError *cause)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s", cause->message);
    g_error_free(cause);
    return FALSE;
}

static PatchElf *
parse(GBytes *bytes, const char *path, GError **error)
{
    PatchElf *elf = patch_elf_parse(bytes, error);

    if (!elf)
        g_prefix_error(error, "%s: ", path);
    return elf;
}

/* Objects may be anyone's: privileges are given up before the first byte is looked at. */
static PatchChanges *
compare(const char *old_path, const char *new_path, GError **error)
{
    g_autoptr(GBytes) old_bytes = patch_elf_load(old_path, error);
    g_autoptr(GBytes) new_bytes = old_bytes ? patch_elf_load(new_path, error) : NULL;
    g_autoptr(PatchElf) old_elf = NULL, new_elf = NULL;

    if (!new_bytes || !vmm_sandbox_enter(VMM_SANDBOX_LOOK, error))
        return NULL;
    old_elf = parse(old_bytes, old_path, error);
    new_elf = old_elf ? parse(new_bytes, new_path, error) : NULL;
    return new_elf ? patch_changes_find(old_elf, new_elf, error) : NULL;
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchChanges) changes = NULL;
    GError *cause = NULL;

    if (patch_cli_parse(&patch_cmd_diff, NULL, argc, argv, 2, 2, error) < 0)
        return FALSE;
    changes = compare(argv[1], argv[2], &cause);
    if (!changes)
        return not_usable(error, cause);
    if (cli->json)
        print_json(changes);
    else
        print_text(changes);
    if (changes->findings->len)
        *status = PATCH_EXIT_DOES_NOT_FIT;
    else if (changes->changes->len)
        *status = PATCH_EXIT_FAILED;
    return TRUE;
}

const PatchCommand patch_cmd_diff = {
    .name = "diff",
    .arguments = "OLD.o NEW.o",
    .summary = "what changed in meaning between two objects (status 0 nothing, 1 something, 4 more than an update carries)",
    .run = run,
};
