/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/csource.h"

#include <string.h>

/* A pattern for the first line of NAME's definition that has its name. */
static char *
definition_pattern(const char *name)
{
    static const char *const syscall_prefixes[] = {
        "__x64_sys_", "__ia32_sys_", "__se_sys_", "__do_sys_", "__x64_compat_sys_", "__ia32_compat_sys_",
        "__do_compat_sys_", "__se_compat_sys_",
    };
    g_autofree char *plain = g_strndup(name, strcspn(name, "."));
    g_autofree char *escaped = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(syscall_prefixes); i++)
        if (g_str_has_prefix(plain, syscall_prefixes[i])) {
            escaped = g_regex_escape_string(plain + strlen(syscall_prefixes[i]), -1);
            return g_strdup_printf("^[A-Z_]*SYSCALL_DEFINE[0-9]\\(%s\\b", escaped);
        }
    escaped = g_regex_escape_string(plain, -1);
    return g_strdup_printf("^[A-Za-z_][^;=#]*\\b%s\\(|^%s\\(", escaped, escaped);
}

/* Number of the line on which the body that begins at START or soon behind it ends; 0 if no body follows. */
static guint
body_end(GStrv lines, guint start)
{
    guint i = start;

    for (; lines[i] && lines[i][0] != '{'; i++)
        if (strchr(lines[i], ';') || (i > start && !*lines[i]))
            return 0;
    for (; lines[i]; i++)
        if (lines[i][0] == '}')
            return i + 1;
    return 0;
}

gboolean
patch_csource_find(const char *text, const char *name, guint *first, guint *last)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *pattern = definition_pattern(name);
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_RAW, 0, NULL);

    for (guint i = 0; regex && lines[i]; i++) {
        if (!g_regex_match(regex, lines[i], 0, NULL))
            continue;
        *last = body_end(lines, i);
        *first = i + 1;
        if (*last)
            return TRUE;
    }
    return FALSE;
}
