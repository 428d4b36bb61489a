/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/finding.h"

#include "patcher/error.h"

#define MAX_TOLD 12

static const struct {
    const char *name;
    gboolean can_force;
} class_table[PATCH_N_FINDINGS] = {
    [PATCH_FINDING_DATA] = { "data", TRUE },
    [PATCH_FINDING_SIZE] = { "size", FALSE },
    [PATCH_FINDING_LAYOUT] = { "layout", TRUE },
    [PATCH_FINDING_MEMBERS] = { "members", TRUE },
    [PATCH_FINDING_EXPORT] = { "export", TRUE },
    [PATCH_FINDING_INIT] = { "init", TRUE },
    [PATCH_FINDING_TABLE] = { "table", TRUE },
    [PATCH_FINDING_FUNCTION] = { "function", FALSE },
    [PATCH_FINDING_CODE] = { "code", FALSE },
};

void
patch_finding_free(PatchFinding *finding)
{
    g_free(finding->name);
    g_free(finding->text);
    g_free(finding);
}

GPtrArray *
patch_findings_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) patch_finding_free);
}

void
patch_findings_add(GPtrArray *findings, PatchFindingClass class, const char *name, const char *format, ...)
{
    PatchFinding *finding = g_new0(PatchFinding, 1);
    va_list arguments;

    va_start(arguments, format);
    finding->text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    finding->class = class;
    finding->name = g_strdup(name);
    g_ptr_array_add(findings, finding);
}

const char *
patch_finding_class_name(PatchFindingClass class)
{
    return class_table[class].name;
}

char *
patch_finding_classes_list(void)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < PATCH_N_FINDINGS; i++)
        if (class_table[i].can_force)
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", class_table[i].name);
    return g_string_free(text, FALSE);
}

static gboolean
parse_class(const char *name, guint *classes, GError **error)
{
    g_autofree char *known = NULL;

    for (guint i = 0; i < PATCH_N_FINDINGS; i++)
        if (class_table[i].can_force && g_str_equal(class_table[i].name, name)) {
            *classes |= 1u << i;
            return TRUE;
        }
    known = patch_finding_classes_list();
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "--force takes one of: %s; not %s", known, name);
    return FALSE;
}

gboolean
patch_finding_classes_parse(const char *const *names, guint *classes, GError **error)
{
    *classes = 0;
    for (; names && *names; names++)
        if (!parse_class(*names, classes, error))
            return FALSE;
    return TRUE;
}

static void
append_text(GString *text, const PatchFinding *finding)
{
    if (text->len)
        g_string_append(text, "\nalso: ");
    g_string_append(text, finding->text);
    if (class_table[finding->class].can_force)
        g_string_append_printf(text, " (--force %s makes the update all the same)", class_table[finding->class].name);
}

gboolean
patch_findings_override(const GPtrArray *findings, guint forced, guint *used, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    guint n = 0;

    for (guint i = 0; i < findings->len; i++) {
        const PatchFinding *finding = findings->pdata[i];

        if (forced & 1u << finding->class)
            *used |= 1u << finding->class;
        else if (n++ < MAX_TOLD)
            append_text(text, finding);
    }
    if (n > MAX_TOLD)
        g_string_append_printf(text, "\nand %u more", n - MAX_TOLD);
    if (n)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "%s", text->str);
    return n == 0;
}

GStrv
patch_finding_classes_names(guint classes)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < PATCH_N_FINDINGS; i++)
        if (classes & 1u << i)
            g_ptr_array_add(names, g_strdup(class_table[i].name));
    g_ptr_array_add(names, NULL);
    return (GStrv) g_ptr_array_free(names, FALSE);
}
