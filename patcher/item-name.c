/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/item-name.h"

#include <string.h>

#define PART ".cold"

/* Names that hold a running number, or a line, in the middle. */
static const char *const counted_prefixes[] = {
    "__UNIQUE_ID_", "__BTF_ID__", "__initcall__", "__exitcall_", "__addressable_",
};

static char *
without_digits(const char *name)
{
    GString *result = g_string_new(NULL);

    for (; *name; name++)
        if (!g_ascii_isdigit(*name))
            g_string_append_c(result, *name);
        else if (!result->len || result->str[result->len - 1] != '#')
            g_string_append_c(result, '#');
    return g_string_free(result, FALSE);
}

char *
patch_plain_name(const char *name)
{
    g_auto(GStrv) parts = NULL;
    GString *result = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(counted_prefixes); i++)
        if (g_str_has_prefix(name, counted_prefixes[i])) {
            g_string_free(result, TRUE);
            return without_digits(name);
        }
    parts = g_strsplit(name, ".", -1);
    for (char **part = parts; *part; part++) {
        gboolean is_number = **part && (*part)[strspn(*part, "0123456789")] == 0;

        if (part == parts)
            g_string_append(result, *part);
        else if (!is_number)
            g_string_append_printf(result, ".%s", *part);
    }
    return g_string_free(result, FALSE);
}

char *
patch_whole_name(const char *name)
{
    const char *dot = strstr(name, PART);

    return dot && (dot[strlen(PART)] == 0 || dot[strlen(PART)] == '.') ? g_strndup(name, dot - name) : g_strdup(name);
}
