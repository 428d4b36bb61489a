/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/json.h"

#include <string.h>

#include "vmm/error.h"

#define MAX_DEPTH 64
#define MAX_VALUES (1 << 17)

/* The parser of the library recurses, so a bound on the nesting bounds its stack; and each value takes up to 300 bytes,
 * however few stand in the text for it. */
static const char *
find_excess(const char *text)
{
    guint depth = 0, n_values = 0;
    gboolean in_string = FALSE;

    for (; *text != '\0'; text++) {
        if (in_string && *text == '\\' && text[1] != '\0')
            text++;
        else if (*text == '"')
            in_string = !in_string;
        else if (!in_string && (*text == '{' || *text == '['))
            depth++;
        else if (!in_string && (*text == '}' || *text == ']') && depth > 0)
            depth--;
        if (!in_string && strchr(",:{[", *text) != NULL)
            n_values++;
        if (depth > MAX_DEPTH)
            return "it nests too deeply";
        if (n_values > MAX_VALUES)
            return "it has too many values";
    }
    return NULL;
}

JsonObject *
vmm_json_parse(const char *text, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) cause = NULL;
    const char *excess = find_excess(text);
    JsonNode *root = NULL;

    if (excess == NULL && json_parser_load_from_data(parser, text, -1, &cause))
        root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "not a JSON object (%s): %.60s",
                    excess != NULL ? excess : cause != NULL ? cause->message : "another kind of value", text);
        return NULL;
    }
    return json_object_ref(json_node_get_object(root));
}

static JsonNode *
value_of_type(JsonObject *object, const char *member, GType type)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, member) : NULL;

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node : NULL;
}

const char *
vmm_json_string(JsonObject *object, const char *member)
{
    JsonNode *node = value_of_type(object, member, G_TYPE_STRING);

    return node != NULL ? json_node_get_string(node) : NULL;
}

JsonObject *
vmm_json_object(JsonObject *object, const char *member)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, member) : NULL;

    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

gboolean
vmm_json_int(JsonObject *object, const char *member, gint64 *value)
{
    JsonNode *node = value_of_type(object, member, G_TYPE_INT64);

    if (node != NULL)
        *value = json_node_get_int(node);
    return node != NULL;
}

gboolean
vmm_json_boolean(JsonObject *object, const char *member, gboolean *value)
{
    JsonNode *node = value_of_type(object, member, G_TYPE_BOOLEAN);

    if (node != NULL)
        *value = json_node_get_boolean(node);
    return node != NULL;
}

GPtrArray *
vmm_json_objects(JsonNode *node)
{
    GPtrArray *objects = NULL;
    JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (array == NULL)
        return NULL;
    objects = g_ptr_array_new();
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *element = json_array_get_element(array, i);

        if (JSON_NODE_HOLDS_OBJECT(element))
            g_ptr_array_add(objects, json_node_get_object(element));
    }
    return objects;
}
