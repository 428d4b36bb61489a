/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kconfig.h"

#include "patcher/error.h"

/* Options that say what the build machine has, and others that do not change the code of a C object. (One C file of 7.2 asks
 * for CONFIG_RUST, vsprintf.c; were that patched, its old code would not be found in the guest.) */
static const char *const harmless[] = {
    "CONFIG_CC_", "CONFIG_GCC_VERSION", "CONFIG_CLANG_VERSION", "CONFIG_AS_", "CONFIG_LD_", "CONFIG_LLD_VERSION",
    "CONFIG_PAHOLE_", "CONFIG_RUST", "CONFIG_HAVE_RUST", "CONFIG_BINDGEN_", "CONFIG_TOOLS_SUPPORT_", "CONFIG_GCC_ASM_",
    "CONFIG_OPENSSL_SUPPORTS_", "CONFIG_SYSTEM_TRUSTED_KEYS", "CONFIG_SYSTEM_REVOCATION_KEYS", "CONFIG_MODULE_SIG",
    "CONFIG_BUILD_SALT", "CONFIG_LOCALVERSION",
};

static const struct {
    const char *option, *tool;
} tools[] = {
    { "CONFIG_DEBUG_INFO_BTF", "pahole (package dwarves)" },
    { "CONFIG_GCC_PLUGIN", "the plugin headers of gcc (package gcc-VERSION-plugin-dev)" },
    { "CONFIG_STACK_VALIDATION", "libelf's headers (package libelf-dev)" },
    { "CONFIG_UNWINDER_ORC", "libelf's headers (package libelf-dev)" },
};

static GHashTable *
parse(const char *config)
{
    GHashTable *options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(config, "\n", -1);

    for (char **line = lines; *line; line++) {
        char *equals = g_str_has_prefix(*line, "CONFIG_") ? strchr(*line, '=') : NULL;

        if (equals && !g_str_equal(equals, "=n"))
            g_hash_table_insert(options, g_strndup(*line, equals - *line), g_strdup(equals + 1));
    }
    return options;
}

char *
patch_kconfig_get(const char *config, const char *option)
{
    g_autoptr(GHashTable) options = parse(config);
    const char *value = g_hash_table_lookup(options, option);
    gsize length = value ? strlen(value) : 0;

    if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
        return g_strndup(value + 1, length - 2);
    return g_strdup(value);
}

char *
patch_kconfig_prepare(const char *config)
{
    gboolean says_plugins = strstr(config, "CONFIG_GCC_PLUGINS") != NULL;

    return g_strconcat(config, says_plugins ? "" : "\n# CONFIG_GCC_PLUGINS is not set\n", NULL);
}

static gboolean
is_harmless(const char *option)
{
    for (gsize i = 0; i < G_N_ELEMENTS(harmless); i++)
        if (g_str_has_prefix(option, harmless[i]))
            return TRUE;
    return FALSE;
}

static void
set_lost(GError **error, const char *option, const char *given, const char *used)
{
    const char *tool = "a tool or compiler of the version that the kernel was built with";

    for (gsize i = 0; i < G_N_ELEMENTS(tools); i++)
        if (g_str_has_prefix(option, tools[i].option))
            tool = tools[i].tool;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                "the kernel's config has %s=%s, but here it becomes %s: the source is another version's, or this "
                "machine lacks %s", option, given, used ? used : "unset", tool);
}

gboolean
patch_kconfig_check(const char *given, const char *used, GError **error)
{
    g_autoptr(GHashTable) wanted = parse(given), got = parse(used);
    g_autoptr(GList) options = g_list_sort(g_hash_table_get_keys(wanted), (GCompareFunc) g_strcmp0);

    for (GList *item = options; item; item = item->next) {
        const char *option = item->data, *value = g_hash_table_lookup(wanted, option);

        if (is_harmless(option) || g_strcmp0(value, g_hash_table_lookup(got, option)) == 0)
            continue;
        set_lost(error, option, value, g_hash_table_lookup(got, option));
        return FALSE;
    }
    return TRUE;
}
