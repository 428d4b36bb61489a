/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/completion.h"

#include <string.h>

#include "patcher/words.h"

static const struct {
    const char *argument;       /* as a command names it in its usage line */
    PatchCompletion kind;
} kinds[] = {
    { "GUEST", PATCH_COMPLETE_GUEST }, { "ID", PATCH_COMPLETE_ID }, { "UPDATE", PATCH_COMPLETE_FILE },
    { "PATCH", PATCH_COMPLETE_FILE }, { "OLD.o", PATCH_COMPLETE_FILE }, { "NEW.o", PATCH_COMPLETE_FILE },
    { "COMMAND", PATCH_COMPLETE_COMMAND },
};

static PatchCompletion
kind_of(const char *argument)
{
    g_autofree char *name = g_strdup(argument + (*argument == '['));

    name[strcspn(name, "]")] = '\0';
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_str_equal(name, kinds[i].argument))
            return kinds[i].kind;
    return PATCH_COMPLETE_NOTHING;
}

static const PatchCommand *
find_command(const PatchCommand *const *commands, const char *name)
{
    for (; *commands; commands++)
        if (g_str_equal((*commands)->name, name))
            return *commands;
    return NULL;
}

/* Words that are options are left out; what stands after one that takes a value is taken for an argument. */
PatchCompletion
patch_completion_kind(const PatchCommand *const *commands, const char *before, char **guest)
{
    g_autoptr(GPtrArray) line = patch_words_split(patch_words_last_command(before), NULL);
    const char *const *words = line && line->len ? line->pdata[0] : NULL;
    const PatchCommand *command = words ? find_command(commands, words[0]) : NULL;
    g_auto(GStrv) arguments = NULL;
    guint n = 0;

    *guest = NULL;
    if (!words)
        return line ? PATCH_COMPLETE_COMMAND : PATCH_COMPLETE_NOTHING;
    if (!command)
        return g_str_equal(words[0], "help") && !words[1] ? PATCH_COMPLETE_COMMAND : PATCH_COMPLETE_NOTHING;
    arguments = g_strsplit(command->arguments, " ", -1);
    for (guint i = 1; words[i] && arguments[n]; i++) {
        if (words[i][0] == '-')
            continue;
        if (kind_of(arguments[n]) == PATCH_COMPLETE_GUEST) {
            g_free(*guest);
            *guest = g_strdup(words[i]);
        }
        n++;
    }
    return arguments[n] ? kind_of(arguments[n]) : PATCH_COMPLETE_NOTHING;
}

GStrv
patch_completion_ids(const char *view)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    JsonNode *root = json_parser_load_from_data(parser, view, -1, NULL) ? json_parser_get_root(parser) : NULL;
    JsonObject *object = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonNode *updates = object ? json_object_get_member(object, "updates") : NULL;
    JsonArray *array = updates && JSON_NODE_HOLDS_ARRAY(updates) ? json_node_get_array(updates) : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *update = json_array_get_element(array, i);
        const char *id = JSON_NODE_HOLDS_OBJECT(update)
            ? json_object_get_string_member_with_default(json_node_get_object(update), "id", NULL) : NULL;

        if (id)
            g_ptr_array_add(ids, g_strdup(id));
    }
    g_ptr_array_add(ids, NULL);
    return (GStrv) g_ptr_array_free(g_steal_pointer(&ids), FALSE);
}
