/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "patcher/command.h"
#include "patcher/create.h"
#include "patcher/error.h"
#include "patcher/finding.h"

/* PATCH's base name with .vlp in the place of what stands behind its last dot. */
static char *
default_output(const char *patch)
{
    g_autofree char *base = g_path_get_basename(patch);
    char *dot = strrchr(base, '.');

    if (dot && dot != base)
        *dot = 0;
    return g_strconcat(base, ".vlp", NULL);
}

static void
print_functions(const PatchObject *object)
{
    for (guint i = 0; i < object->replacements->len; i++) {
        const PatchReplacement *replacement = object->replacements->pdata[i];
        const PatchOldFunction *function = object->functions->pdata[replacement->function];
        const PatchSymbol *symbol = object->symbols->pdata[function->symbol];
        const PatchPiece *piece = object->pieces->pdata[replacement->piece];
        g_autofree char *why = patch_reason_text(replacement->reason, replacement->cause);

        g_print("  %-40s %6" G_GUINT64_FORMAT " -> %6" G_GUINT64_FORMAT " bytes  %s\n", symbol->name, symbol->size,
                piece->size, why);
    }
}

static void
add_functions(JsonBuilder *builder, const PatchObject *object)
{
    for (guint i = 0; i < object->replacements->len; i++) {
        const PatchReplacement *replacement = object->replacements->pdata[i];
        const PatchOldFunction *function = object->functions->pdata[replacement->function];
        const PatchSymbol *symbol = object->symbols->pdata[function->symbol];
        const PatchPiece *piece = object->pieces->pdata[replacement->piece];

        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "name");
        json_builder_add_string_value(builder, symbol->name);
        json_builder_set_member_name(builder, "object");
        json_builder_add_string_value(builder, object->path);
        json_builder_set_member_name(builder, "old_bytes");
        json_builder_add_int_value(builder, symbol->size);
        json_builder_set_member_name(builder, "new_bytes");
        json_builder_add_int_value(builder, piece->size);
        json_builder_set_member_name(builder, "reason");
        json_builder_add_string_value(builder, patch_reason_name(replacement->reason));
        if (*replacement->cause)
            patch_json_string(builder, "cause", replacement->cause);
        json_builder_end_object(builder);
    }
}

static void
print_json(const PatchUpdate *update, const char *path)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "id");
    json_builder_add_string_value(builder, update->id);
    json_builder_set_member_name(builder, "file");
    json_builder_add_string_value(builder, path);
    json_builder_set_member_name(builder, "functions");
    json_builder_begin_array(builder);
    for (guint i = 0; i < update->objects->len; i++)
        add_functions(builder, update->objects->pdata[i]);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    patch_cli_print_json(builder);
}

static void
print_text(const PatchCli *cli, const PatchUpdate *update, const char *path)
{
    for (guint i = 0; !cli->quiet && i < update->objects->len; i++) {
        const PatchObject *object = update->objects->pdata[i];

        g_print("%s\n", object->path);
        print_functions(object);
    }
    g_print("%s %s\n", update->id, path);
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autofree char *debian = NULL, *source = NULL, *config = NULL, *vmlinux = NULL, *description = NULL, *output = NULL;
    g_auto(GStrv) forced = NULL;
    const GOptionEntry entries[] = {
        { "debian", 0, 0, G_OPTION_ARG_STRING, &debian, "Get source and config of this Debian kernel, as 6.1.190-1",
          "VERSION[/FLAVOUR]" },
        { "source", 0, 0, G_OPTION_ARG_FILENAME, &source, "The kernel's source tree", "DIR" },
        { "config", 0, 0, G_OPTION_ARG_FILENAME, &config, "The running kernel's config", "FILE" },
        { "vmlinux", 0, 0, G_OPTION_ARG_FILENAME, &vmlinux, "Bind the update to this kernel's build id", "FILE" },
        { "description", 0, 0, G_OPTION_ARG_STRING, &description, "What the update is for", "TEXT" },
        { "force", 0, 0, G_OPTION_ARG_STRING_ARRAY, &forced,
          "Make the update in spite of what it cannot carry: data, layout, members, export, init or table", "CLASS" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "Update file to write (PATCH's name with .vlp)", "FILE" },
        { NULL },
    };
    g_autoptr(PatchUpdate) update = NULL;
    PatchCreateOptions options;
    guint force;

    if (patch_cli_parse(&patch_cmd_create, entries, argc, argv, 1, 1, error) < 0)
        return FALSE;
    if (debian ? source || config : !source) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    "create needs either --debian, the version of a Debian kernel (6.1.190-1), or --source, the kernel's "
                    "source tree, and --config, the running kernel's config, if the tree holds none");
        return FALSE;
    }
    if (!patch_finding_classes_parse((const char *const *) forced, &force, error))
        return FALSE;
    options = (PatchCreateOptions) {
        .debian = debian, .source = source, .config = config, .vmlinux = vmlinux, .description = description,
        .patch = argv[1], .force = force,
        .quiet = cli->quiet || (!cli->verbose && !isatty(STDERR_FILENO)),
    };
    update = patch_create(&options, error);
    if (!output)
        output = default_output(argv[1]);
    if (!update || !patch_update_write_file(update, output, error))
        return FALSE;
    if (cli->json)
        print_json(update, output);
    else
        print_text(cli, update, output);
    return TRUE;
}

const PatchCommand patch_cmd_create = {
    .name = "create",
    .arguments = "--debian VERSION | --source DIR [--config FILE] [--vmlinux FILE] [--description TEXT] "
                 "[--force CLASS] [-o FILE] PATCH",
    .summary = "build an update from a source patch",
    .run = run,
};
