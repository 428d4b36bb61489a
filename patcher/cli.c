/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/command.h"

#include "patcher/error.h"

int
patch_cli_parse(const PatchCommand *command, const GOptionEntry *options, int argc, char **argv, int min, int max,
                GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(command->arguments);
    int left;

    g_option_context_set_summary(context, command->summary);
    if (options)
        g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return -1;
    if (argc > 1 && g_str_equal(argv[1], "--")) {
        memmove(&argv[1], &argv[2], (argc - 1) * sizeof argv[0]);
        argc--;
    }
    left = argc - 1;
    if (left < min || left > max) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "usage: virt-livepatch %s %s", command->name,
                    command->arguments);
        return -1;
    }
    return left;
}

void
patch_json_string(JsonBuilder *json, const char *name, const char *value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, value);
}

void
patch_json_int(JsonBuilder *json, const char *name, gint64 value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, value);
}

void
patch_json_boolean(JsonBuilder *json, const char *name, gboolean value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_boolean_value(json, value);
}

void
patch_json_address(JsonBuilder *json, const char *name, guint64 value)
{
    g_autofree char *text = g_strdup_printf("%#" G_GINT64_MODIFIER "x", value);

    patch_json_string(json, name, text);
}

void
patch_json_array(JsonBuilder *json, const char *name)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_array(json);
}

void
patch_json_texts(JsonBuilder *json, const char *name, const GPtrArray *texts)
{
    patch_json_array(json, name);
    for (guint i = 0; i < texts->len; i++)
        json_builder_add_string_value(json, texts->pdata[i]);
    json_builder_end_array(json);
}

void
patch_json_strings(JsonBuilder *json, const char *name, char **strings)
{
    patch_json_array(json, name);
    for (; strings && *strings; strings++)
        json_builder_add_string_value(json, *strings);
    json_builder_end_array(json);
}

void
patch_cli_print_json(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);

    g_print("%s\n", text);
}
