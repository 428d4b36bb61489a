/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/debian.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "patcher/error.h"
#include "patcher/overlay.h"
#include "patcher/run.h"

#define DEFAULT_FLAVOUR "cloud-amd64"

typedef struct {
    PatchCache *cache;
    char *version, *series, *flavour;   /* 6.1.190-1, 6.1, cloud-amd64 */
    char *work;                         /* folder, made anew */
    GPtrArray *options;                 /* of apt; none: it uses the machine's own lists */
    void (*say)(const char *text);
} Fetch;

static void
fetch_clear(Fetch *fetch)
{
    g_free(fetch->version);
    g_free(fetch->series);
    g_free(fetch->flavour);
    g_free(fetch->work);
    g_ptr_array_unref(fetch->options);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fetch, fetch_clear)

void
patch_debian_free(PatchDebian *debian)
{
    if (!debian)
        return;
    patch_cache_close(debian->cache);
    g_free(debian->source);
    g_free(debian->config);
    g_free(debian);
}

static gboolean
parse_wanted(Fetch *fetch, const char *wanted, GError **error)
{
    g_autoptr(GRegex) regex = g_regex_new("^(([0-9]+\\.[0-9]+)\\.[0-9A-Za-z.+~-]+)(?:/([a-z0-9-]+))?$", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *flavour = NULL;

    if (!g_regex_match(regex, wanted, 0, &match)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    "%s is no version of a kernel package; it looks like 6.1.190-1 or 6.1.190-1/amd64 (as in "
                    "`dpkg-query -W 'linux-image-*'`, or the end of `uname -v`)", wanted);
        return FALSE;
    }
    fetch->version = g_match_info_fetch(match, 1);
    fetch->series = g_match_info_fetch(match, 2);
    flavour = g_match_info_fetch(match, 3);
    if (flavour && g_str_has_prefix(flavour, "rt-")) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    "the package linux-source-%s lacks the changes for real time that %s kernels are built with; unpack Debian's "
                    "source package linux, version %s, with them (`debian/rules source`), and give that with --source and "
                    "--config", fetch->series, flavour, fetch->version);
        return FALSE;
    }
    fetch->flavour = g_strdup(flavour && *flavour ? flavour : DEFAULT_FLAVOUR);
    return TRUE;
}

static void
tell(const Fetch *fetch, const char *format, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s %s", format, what);

    if (fetch->say)
        fetch->say(text);
}

/* Runs PROGRAM (apt-get or apt-cache) in the work folder with our options and ARGUMENTS, which end in NULL. */
static gboolean
apt(const Fetch *fetch, char **output, GError **error, const char *program, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    va_list arguments;
    const char *argument;

    g_ptr_array_add(argv, (char *) program);
    for (guint i = 0; i < fetch->options->len; i++)
        g_ptr_array_add(argv, fetch->options->pdata[i]);
    va_start(arguments, program);
    while ((argument = va_arg(arguments, const char *)))
        g_ptr_array_add(argv, (char *) argument);
    va_end(arguments);
    g_ptr_array_add(argv, NULL);
    return patch_run(fetch->work, (const char *const *) argv->pdata, output, error);
}

char *
patch_debian_find_image(const char *madison, const char *version)
{
    g_auto(GStrv) lines = g_strsplit(madison, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, "|", 3);

        if (g_strv_length(fields) == 3 && g_str_equal(g_strstrip(fields[1]), version))
            return g_strdup(g_strstrip(fields[0]));
    }
    return NULL;
}

/* The image package of the version wanted; NULL, without an error, if the lists do not have it. */
static char *
find_image(const Fetch *fetch, GError **error)
{
    g_autofree char *escaped = g_regex_escape_string(fetch->series, -1);
    g_autofree char *pattern = g_strdup_printf("^linux-image-%s\\..*[0-9]-%s-unsigned$", escaped, fetch->flavour);
    g_autofree char *found = NULL;
    g_auto(GStrv) lines = NULL;

    if (!apt(fetch, &found, error, "apt-cache", "search", "--names-only", pattern, NULL))
        return NULL;
    lines = g_strsplit(found, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autofree char *name = g_strndup(*line, strcspn(*line, " "));
        g_autofree char *madison = NULL, *image = NULL;

        if (!*name)
            continue;
        if (!apt(fetch, &madison, error, "apt-cache", "madison", name, NULL))
            return NULL;
        image = patch_debian_find_image(madison, fetch->version);
        if (image)
            return g_steal_pointer(&image);
    }
    return NULL;
}

/* From now on apt has lists of its own here, fresh ones. */
static gboolean
use_own_lists(Fetch *fetch, GError **error)
{
    g_autofree char *lists = g_build_filename(fetch->work, "lists", NULL);
    g_autofree char *archives = g_build_filename(fetch->work, "apt", NULL);
    g_autofree char *partial = g_build_filename(lists, "partial", NULL);
    g_autofree char *archives_partial = g_build_filename(archives, "archives", "partial", NULL);

    if (g_mkdir_with_parents(partial, 0755) != 0 || g_mkdir_with_parents(archives_partial, 0755) != 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", lists, g_strerror(errno));
        return FALSE;
    }
    g_ptr_array_add(fetch->options, g_strdup("-o"));
    g_ptr_array_add(fetch->options, g_strconcat("Dir::State::Lists=", lists, NULL));
    g_ptr_array_add(fetch->options, g_strdup("-o"));
    g_ptr_array_add(fetch->options, g_strconcat("Dir::Cache=", archives, NULL));
    tell(fetch, "fetching apt's", "package lists");
    return apt(fetch, NULL, error, "apt-get", "-qq", "update", NULL);
}

/* Downloads one package and unpacks it into the folder TO. */
static gboolean
unpack(const Fetch *fetch, const char *package, const char *to, GError **error)
{
    g_autofree char *wanted = g_strdup_printf("%s=%s", package, fetch->version);
    g_autoptr(GDir) folder = NULL;
    const char *name;

    tell(fetch, "downloading", wanted);
    if (!apt(fetch, NULL, error, "apt-get", "-qq", "download", wanted, NULL))
        return FALSE;
    folder = g_dir_open(fetch->work, 0, NULL);
    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename(fetch->work, name, NULL);
        const char *argv[] = { "dpkg-deb", "-x", path, to, NULL };

        if (!g_str_has_suffix(name, ".deb"))
            continue;
        return patch_run(NULL, argv, NULL, error) && g_unlink(path) == 0;
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "apt-get download left no %s", wanted);
    return FALSE;
}

static gboolean
move(const char *from, const char *to, GError **error)
{
    if (g_rename(from, to) == 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot move %s to %s: %s", from, to, g_strerror(errno));
    return FALSE;
}

/* The config in FOLDER, which is named after the kernel's release (config-6.1.0-57-cloud-amd64); NULL if there is none. */
static char *
find_config(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_prefix(name, "config-"))
            return g_build_filename(folder, name, NULL);
    return NULL;
}

static gboolean
fetch_config(const Fetch *fetch, const char *image, GError **error)
{
    g_autofree char *root = g_build_filename(fetch->work, "image", NULL);
    g_autofree char *boot = g_build_filename(root, "boot", NULL);
    g_autofree char *config = NULL, *name = NULL, *to = NULL;

    if (!unpack(fetch, image, root, error))
        return FALSE;
    config = find_config(boot);
    if (!config) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the package %s holds no config", image);
        return FALSE;
    }
    name = g_path_get_basename(config);
    to = g_build_filename(fetch->cache->folder, name, NULL);
    return move(config, to, error);
}

static gboolean
fetch_source(const Fetch *fetch, const char *to, GError **error)
{
    g_autofree char *package = g_strdup_printf("linux-source-%s", fetch->series);
    g_autofree char *root = g_build_filename(fetch->work, "package", NULL);
    g_autofree char *name = g_strconcat(package, ".tar.xz", NULL);
    g_autofree char *archive = g_build_filename(root, "usr", "src", name, NULL);
    g_autofree char *tree = g_build_filename(fetch->work, package, NULL);
    const char *argv[] = { "tar", "-C", fetch->work, "-xf", archive, NULL };

    if (!unpack(fetch, package, root, error))
        return FALSE;
    tell(fetch, "unpacking", name);
    return patch_run(NULL, argv, NULL, error) && move(tree, to, error);
}

static gboolean
fetch_all(Fetch *fetch, const PatchDebian *debian, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *image = NULL;

    if (!patch_overlay_remove(fetch->work, error) || !patch_overlay_remove(debian->source, error))
        return FALSE;
    if (g_mkdir(fetch->work, 0755) != 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", fetch->work, g_strerror(errno));
        return FALSE;
    }
    image = find_image(fetch, &cause);
    if (!image && !cause && use_own_lists(fetch, &cause))
        image = find_image(fetch, &cause);
    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!image) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "apt knows no kernel %s of flavour %s; give its source and config with --source and --config",
                    fetch->version, fetch->flavour);
        return FALSE;
    }
    return fetch_config(fetch, image, error) && fetch_source(fetch, debian->source, error) &&
           patch_overlay_remove(fetch->work, error) && patch_cache_set_complete(fetch->cache, error);
}

PatchDebian *
patch_debian_fetch(const char *wanted, void (*say)(const char *text), GError **error)
{
    g_auto(Fetch) fetch = { .say = say, .options = g_ptr_array_new_with_free_func(g_free) };
    g_autoptr(PatchDebian) debian = g_new0(PatchDebian, 1);
    g_autofree char *key = NULL;

    if (!parse_wanted(&fetch, wanted, error))
        return NULL;
    key = g_strdup_printf("deb-%s-%s", fetch.version, fetch.flavour);
    debian->cache = patch_cache_open(key, say, error);
    if (!debian->cache)
        return NULL;
    fetch.cache = debian->cache;
    fetch.work = g_build_filename(debian->cache->folder, "work", NULL);
    debian->source = g_build_filename(debian->cache->folder, "source", NULL);
    if (!patch_cache_is_complete(debian->cache) && !fetch_all(&fetch, debian, error))
        return NULL;
    debian->config = find_config(debian->cache->folder);
    patch_cache_share(debian->cache);
    return g_steal_pointer(&debian);
}
