/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "patcher/command.h"
#include "patcher/create.h"
#include "patcher/error.h"
#include "patcher/finding.h"
#include "patcher/setting.h"
#include "patcher/value-text.h"

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
print_data(const PatchObject *object)
{
    for (guint i = 0; i < object->data->len; i++) {
        const PatchDatum *datum = object->data->pdata[i];
        g_autofree char *before = patch_datum_text(object, datum, datum->before);
        g_autofree char *after = patch_datum_text(object, datum, datum->after);

        if (datum->after->bytes->len > 0)
            g_print("  %-40s %s -> %s  %s\n", datum->name, before, after, patch_origin_text(datum->origin));
    }
}

static void
add_data(JsonBuilder *builder, const PatchObject *object)
{
    for (guint i = 0; i < object->data->len; i++) {
        const PatchDatum *datum = object->data->pdata[i];
        g_autofree char *before = patch_datum_text(object, datum, datum->before);
        g_autofree char *after = patch_datum_text(object, datum, datum->after);

        if (datum->after->bytes->len == 0)
            continue;
        json_builder_begin_object(builder);
        patch_json_string(builder, "name", datum->name);
        patch_json_string(builder, "object", object->path);
        patch_json_string(builder, "before", before);
        patch_json_string(builder, "after", after);
        patch_json_string(builder, "origin", patch_origin_name(datum->origin));
        json_builder_end_object(builder);
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
        patch_json_string(builder, "name", symbol->name);
        patch_json_string(builder, "object", object->path);
        patch_json_int(builder, "old_bytes", symbol->size);
        patch_json_int(builder, "new_bytes", piece->size);
        patch_json_string(builder, "reason", patch_reason_name(replacement->reason));
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
    patch_json_string(builder, "id", update->id);
    patch_json_string(builder, "file", path);
    patch_json_array(builder, "functions");
    for (guint i = 0; i < update->objects->len; i++)
        add_functions(builder, update->objects->pdata[i]);
    json_builder_end_array(builder);
    patch_json_array(builder, "data");
    for (guint i = 0; i < update->objects->len; i++)
        add_data(builder, update->objects->pdata[i]);
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
        print_data(object);
    }
    g_print("%s %s\n", update->id, path);
}

static gboolean
read_settings(GPtrArray *settings, char **expressions, const char *file, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) listed = NULL;
    g_autoptr(GError) cause = NULL;

    for (; expressions && *expressions; expressions++) {
        PatchSetting *setting = patch_setting_parse(*expressions, error);

        if (!setting)
            return FALSE;
        g_ptr_array_add(settings, setting);
    }
    if (!file)
        return TRUE;
    if (!g_file_get_contents(file, &text, NULL, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s", cause->message);
        return FALSE;
    }
    listed = patch_settings_parse(file, text, error);
    if (!listed)
        return FALSE;
    g_ptr_array_extend_and_steal(settings, g_steal_pointer(&listed));
    return TRUE;
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autofree char *debian = NULL, *source = NULL, *config = NULL, *vmlinux = NULL, *description = NULL, *output = NULL;
    g_autofree char *settings_file = NULL;
    g_auto(GStrv) forced = NULL, set = NULL;
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify) patch_setting_free);
    const GOptionEntry entries[] = {
        { "debian", 0, 0, G_OPTION_ARG_STRING, &debian, "Get source and config of this Debian kernel, as 6.1.190-1",
          "VERSION[/FLAVOUR]" },
        { "source", 0, 0, G_OPTION_ARG_FILENAME, &source, "The kernel's source tree", "DIR" },
        { "config", 0, 0, G_OPTION_ARG_FILENAME, &config, "The running kernel's config", "FILE" },
        { "vmlinux", 0, 0, G_OPTION_ARG_FILENAME, &vmlinux, "Bind the update to this kernel's build id", "FILE" },
        { "description", 0, 0, G_OPTION_ARG_STRING, &description, "What the update is for", "TEXT" },
        { "force", 0, 0, G_OPTION_ARG_STRING_ARRAY, &forced,
          "Make the update in spite of what it cannot carry: data, layout, members, export, init or table", "CLASS" },
        { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &set, "Give a variable of the running kernel another value",
          "[FILE:]VARIABLE[.MEMBER]=[OLD:]VALUE" },
        { "set-file", 0, 0, G_OPTION_ARG_FILENAME, &settings_file, "The same, for each line of a file", "FILE" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "Update file to write (PATCH's name with .vlp)", "FILE" },
        { NULL },
    };
    g_autoptr(PatchUpdate) update = NULL;
    PatchCreateOptions options;
    guint force;
    int n_arguments = patch_cli_parse(&patch_cmd_create, entries, argc, argv, 0, 1, error);

    if (n_arguments < 0 || !read_settings(settings, set, settings_file, error))
        return FALSE;
    if (n_arguments == 0 && (settings->len == 0 || !output)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    settings->len ? "without a source patch, create needs -o, the update file to write"
                                  : "create needs a source patch, or --set");
        return FALSE;
    }
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
        .patch = n_arguments ? argv[1] : NULL, .settings = settings, .force = force,
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
                 "[--force CLASS] [--set SETTING] [-o FILE] [PATCH]",
    .summary = "build an update from a source patch",
    .run = run,
};
