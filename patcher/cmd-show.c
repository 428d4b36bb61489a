/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/command.h"
#include "patcher/escape.h"
#include "patcher/show-code.h"
#include "patcher/update.h"
#include "patcher/value-text.h"

static const char *const piece_kinds[] = {
    [PATCH_PIECE_TEXT] = "text",
    [PATCH_PIECE_RODATA] = "rodata",
    [PATCH_PIECE_DATA] = "data",
    [PATCH_PIECE_BSS] = "bss",
};

static const PatchSymbol *
function_symbol(const PatchObject *object, guint32 function)
{
    return object->symbols->pdata[((const PatchOldFunction *) object->functions->pdata[function])->symbol];
}

static guint
count_sites(const PatchObject *object)
{
    guint n = 0;

    for (guint i = 0; i < object->pieces->len; i++)
        n += ((const PatchPiece *) object->pieces->pdata[i])->code->sites->len;
    return n;
}

static const char *
piece_name(const PatchObject *object, guint32 piece)
{
    return ((const PatchPiece *) object->pieces->pdata[piece])->name;
}

static void
print_object(const PatchObject *object, gboolean disassemble)
{
    g_autofree gboolean *escapes = patch_escape_find(object);

    g_print("\n%s%s%s\n", object->path, *object->module ? ", module " : "", object->module);
    for (guint i = 0; i < object->replacements->len; i++) {
        const PatchReplacement *replacement = object->replacements->pdata[i];
        const PatchSymbol *symbol = function_symbol(object, replacement->function);
        const PatchPiece *piece = object->pieces->pdata[replacement->piece];
        g_autofree char *why = patch_reason_text(replacement->reason, replacement->cause);

        g_print("  replaces %-36s %6" G_GUINT64_FORMAT " -> %6" G_GUINT64_FORMAT " bytes  %s\n", symbol->name,
                symbol->size, piece->size, why);
    }
    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];

        g_print("  places   %-36s %6" G_GUINT64_FORMAT " bytes %s%s\n", piece->name, piece->size,
                piece_kinds[piece->kind], escapes[i] ? ", and leaves it there after undo" : "");
    }
    for (guint i = 0; i < object->hooks->len; i++) {
        const PatchHook *hook = &g_array_index(object->hooks, PatchHook, i);

        g_print("  %-10s calls %s, for up to %u s\n", patch_hook_kind_name(hook->kind), piece_name(object, hook->piece),
                hook->limit_s);
    }
    for (guint i = 0; i < object->data->len; i++) {
        const PatchDatum *datum = object->data->pdata[i];
        g_autofree char *before = patch_datum_text(object, datum, datum->before);
        g_autofree char *after = patch_datum_text(object, datum, datum->after);

        if (datum->after->bytes->len > 0)
            g_print("  changes  %-36s %s -> %s  %s\n", datum->name, before, after, patch_origin_text(datum->origin));
        else
            g_print("  expects  %-36s unchanged\n", datum->name);
    }
    g_print("  matches  %u functions of the running kernel; %u places in new code depend on the guest\n",
            object->functions->len, count_sites(object));
    if (disassemble)
        patch_show_code(object);
}

static void
print_text(const PatchUpdate *update, gboolean disassemble)
{
    g_autofree char *cves = g_strjoinv(" ", update->cves);
    g_autofree char *forced = g_strjoinv(" ", update->forced);

    g_print("id:          %s\n", update->id);
    if (*update->description)
        g_print("description: %s\n", update->description);
    if (*cves)
        g_print("cves:        %s\n", cves);
    g_print("kernel:      %s%s%s\n", update->kernel, *update->build_id ? ", build id " : "", update->build_id);
    g_print("compiler:    %s\n", update->compiler);
    if (*forced)
        g_print("forced:      %s\n", forced);
    for (guint i = 0; i < update->objects->len; i++)
        print_object(update->objects->pdata[i], disassemble);
    g_print("\n%s", update->patch);
}

/* An update of unknown origin may hold any bytes. */
static void
add_string(JsonBuilder *builder, const char *name, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);

    patch_json_string(builder, name, valid);
}

static void
add_replacements(JsonBuilder *builder, const PatchObject *object)
{
    patch_json_array(builder, "functions");
    for (guint i = 0; i < object->replacements->len; i++) {
        const PatchReplacement *replacement = object->replacements->pdata[i];
        const PatchSymbol *symbol = function_symbol(object, replacement->function);

        json_builder_begin_object(builder);
        add_string(builder, "name", symbol->name);
        patch_json_int(builder, "old_bytes", symbol->size);
        patch_json_int(builder, "new_bytes", ((const PatchPiece *) object->pieces->pdata[replacement->piece])->size);
        add_string(builder, "reason", patch_reason_name(replacement->reason));
        if (*replacement->cause)
            add_string(builder, "cause", replacement->cause);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_pieces(JsonBuilder *builder, const PatchObject *object)
{
    g_autofree gboolean *escapes = patch_escape_find(object);

    patch_json_array(builder, "pieces");
    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];

        json_builder_begin_object(builder);
        add_string(builder, "name", piece->name);
        add_string(builder, "kind", piece_kinds[piece->kind]);
        patch_json_int(builder, "bytes", piece->size);
        patch_json_boolean(builder, "stays", escapes[i]);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_hooks(JsonBuilder *builder, const PatchObject *object)
{
    patch_json_array(builder, "hooks");
    for (guint i = 0; i < object->hooks->len; i++) {
        const PatchHook *hook = &g_array_index(object->hooks, PatchHook, i);

        json_builder_begin_object(builder);
        add_string(builder, "name", piece_name(object, hook->piece));
        add_string(builder, "kind", patch_hook_kind_name(hook->kind));
        patch_json_int(builder, "limit_s", hook->limit_s);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_data(JsonBuilder *builder, const PatchObject *object)
{
    patch_json_array(builder, "data");
    for (guint i = 0; i < object->data->len; i++) {
        const PatchDatum *datum = object->data->pdata[i];
        g_autofree char *before = patch_datum_text(object, datum, datum->before);
        g_autofree char *after = patch_datum_text(object, datum, datum->after);

        json_builder_begin_object(builder);
        add_string(builder, "name", datum->name);
        patch_json_int(builder, "bytes", datum->before->bytes->len);
        add_string(builder, "before", before);
        if (datum->after->bytes->len > 0)
            add_string(builder, "after", after);
        add_string(builder, "origin", patch_origin_name(datum->origin));
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_objects(JsonBuilder *builder, const PatchUpdate *update, gboolean disassemble)
{
    patch_json_array(builder, "objects");
    for (guint i = 0; i < update->objects->len; i++) {
        const PatchObject *object = update->objects->pdata[i];

        json_builder_begin_object(builder);
        add_string(builder, "path", object->path);
        add_string(builder, "module", object->module);
        add_replacements(builder, object);
        add_pieces(builder, object);
        add_hooks(builder, object);
        add_data(builder, object);
        patch_json_int(builder, "matched_functions", object->functions->len);
        patch_json_int(builder, "sites", count_sites(object));
        if (disassemble)
            patch_show_code_json(builder, object);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
print_json(const PatchUpdate *update, gboolean disassemble)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    add_string(builder, "id", update->id);
    add_string(builder, "description", update->description);
    add_string(builder, "kernel", update->kernel);
    add_string(builder, "build_id", update->build_id);
    add_string(builder, "compiler", update->compiler);
    patch_json_strings(builder, "cves", update->cves);
    patch_json_strings(builder, "forced", update->forced);
    add_objects(builder, update, disassemble);
    add_string(builder, "patch", update->patch);
    json_builder_end_object(builder);
    patch_cli_print_json(builder);
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    gboolean disassemble = FALSE;
    const GOptionEntry options[] = {
        { "disassemble", 'd', 0, G_OPTION_ARG_NONE, &disassemble, "old and new code of each function side by side", NULL },
        { NULL }
    };
    g_autoptr(PatchUpdate) update = NULL;

    if (patch_cli_parse(&patch_cmd_show, options, argc, argv, 1, 1, error) < 0)
        return FALSE;
    update = patch_update_read_strange_file(argv[1], error);
    if (!update)
        return FALSE;
    if (cli->json)
        print_json(update, disassemble);
    else
        print_text(update, disassemble);
    return TRUE;
}

const PatchCommand patch_cmd_show = {
    .name = "show",
    .arguments = "[OPTION...] UPDATE",
    .summary = "what is in an update: id, target, functions, patch",
    .run = run,
};
