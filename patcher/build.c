/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "patcher/build-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "patcher/cache.h"
#include "patcher/cleantree.h"
#include "patcher/error.h"
#include "patcher/kconfig.h"
#include "patcher/kernel-headers.h"
#include "patcher/overlay.h"
#include "patcher/run.h"
#include "patcher/shadow.h"

#define CACHE_LAYOUT "5"        /* to be changed with what lies in a cache folder */

void
patch_build_close(PatchBuild *build)
{
    if (!build)
        return;
    if (build->work)
        patch_overlay_remove(build->work, NULL);
    patch_run_set_scratch(NULL);
    patch_cache_close(build->cache);
    patch_kbuild_free(build->kbuild);
    g_clear_pointer(&build->made, g_hash_table_unref);
    g_mutex_clear(&build->lock);
    g_free(build->source);
    g_free(build->config);
    g_free(build->compiler);
    g_free(build->compiler_version);
    g_free(build->kernel);
    g_free(build->release);
    g_free(build->folder);
    g_free(build->work);
    g_free(build->overlay);
    g_free(build->old_lines);
    g_free(build->headers);
    g_free(build->new_code_headers);
    g_free(build->commands);
    g_free(build);
}

const char *
patch_build_kernel(const PatchBuild *build)
{
    return build->kernel;
}

const char *
patch_build_compiler(const PatchBuild *build)
{
    return build->compiler_version;
}

const char *
patch_build_overlay(const PatchBuild *build)
{
    return build->overlay;
}

const PatchFiles *
patch_build_files(const PatchBuild *build)
{
    return build->files;
}

const PatchKbuild *
patch_build_kbuild(const PatchBuild *build)
{
    return build->kbuild;
}

const char *
patch_build_source(const PatchBuild *build)
{
    return build->source;
}

const char *
patch_build_folder(const PatchBuild *build)
{
    return build->folder;
}

/* The value of "NAME = VALUE" in the kernel's top Makefile; "" if it has none. */
static char *
makefile_value(const char *makefile, const char *name)
{
    g_autofree char *pattern = g_strdup_printf("^%s[ \\t]*=[ \\t]*(\\S*)[ \\t]*$", name);
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_regex_match(regex, makefile, 0, &match))
        return g_strdup("");
    return g_match_info_fetch(match, 1);
}

static gboolean
read_makefile(PatchBuild *build, char **makefile, GError **error)
{
    g_autofree char *path = g_build_filename(build->source, "Makefile", NULL);
    g_autofree char *version = NULL, *patchlevel = NULL, *sublevel = NULL, *extra = NULL;

    if (!g_file_get_contents(path, makefile, NULL, NULL)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s is no kernel source tree: it has no Makefile",
                    build->source);
        return FALSE;
    }
    version = makefile_value(*makefile, "VERSION");
    patchlevel = makefile_value(*makefile, "PATCHLEVEL");
    sublevel = makefile_value(*makefile, "SUBLEVEL");
    extra = makefile_value(*makefile, "EXTRAVERSION");
    build->kernel = g_strdup_printf("%s.%s.%s%s", version, patchlevel, sublevel, extra);
    if (!*version || !*patchlevel || !*sublevel) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s is no kernel source tree: its Makefile names no version",
                    build->source);
        return FALSE;
    }
    return TRUE;
}

/* Takes the compiler that the config names by name (gcc-12) if this machine has one of that name. */
static gboolean
choose_compiler(PatchBuild *build, GError **error)
{
    g_autofree char *built_with = patch_kconfig_get(build->config, "CONFIG_CC_VERSION_TEXT");
    g_autofree char *name = built_with ? g_strndup(built_with, strcspn(built_with, " ")) : g_strdup("gcc");
    g_autofree char *found = NULL;
    const char *argv[] = { NULL, "--version", NULL };
    const char *there, *here;

    if (built_with && strstr(built_with, "clang")) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the kernel was built with clang (%s); updates can be made for kernels built with gcc", built_with);
        return FALSE;
    }
    found = g_regex_match_simple("^[a-z0-9_-]*gcc(-[0-9.]+)?$", name, 0, 0) ? g_find_program_in_path(name) : NULL;
    build->compiler = g_strdup(found ? name : "gcc");
    argv[0] = build->compiler;
    if (!patch_run(NULL, argv, &build->compiler_version, error))
        return FALSE;
    build->compiler_version[strcspn(build->compiler_version, "\n")] = 0;
    there = built_with ? strchr(built_with, ' ') : NULL;
    here = strchr(build->compiler_version, ' ');
    if (there && g_strcmp0(there, here) != 0)
        g_printerr("virt-livepatch: warning: the kernel was built with %s, this is %s; if they make different code, the update "
                   "will not fit the guest\n", built_with, build->compiler_version);
    return TRUE;
}

static char *
cache_key(const PatchBuild *build, const char *makefile)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const char *parts[] = { PACKAGE_VERSION, CACHE_LAYOUT, build->source, makefile, build->config, build->compiler,
                            build->compiler_version, build->release ? build->release : "" };

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
        g_checksum_update(checksum, (const guint8 *) parts[i], strlen(parts[i]) + 1);
    return g_strndup(g_checksum_get_string(checksum), 16);
}

gboolean
patch_build_make(PatchBuild *build, const char *option, const char *const *targets, char **said, GError **error)
{
    g_autofree char *output = g_strconcat("O=", build->folder, NULL);
    g_autofree char *compiler = g_strconcat("CC=", build->compiler, NULL);
    g_autofree char *release = build->release ? g_strconcat("KERNELRELEASE=", build->release, NULL) : NULL;
    /* Several jobs at a time would mix their lines in what is said. */
    g_autofree char *jobs = g_strdup_printf("-j%u", said ? 1 : g_get_num_processors());
    const char *const fixed[] = { "make", option, "-C", build->source, jobs, output, compiler };
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, (char *) fixed[i]);
    if (release)
        g_ptr_array_add(argv, release);
    if (build->delays_objtool)
        g_ptr_array_add(argv, (char *) "objtool-enabled=y");
    for (gsize i = 0; targets[i]; i++)
        g_ptr_array_add(argv, (char *) targets[i]);
    g_ptr_array_add(argv, NULL);
    return patch_run(NULL, (const char *const *) argv->pdata, said, error);
}

static gboolean
make(PatchBuild *build, const char *target, GError **error)
{
    const char *targets[] = { target, NULL };

    if (patch_build_make(build, "-s", targets, NULL, error))
        return TRUE;
    g_prefix_error(error, "building the kernel's %s: ", target);
    return FALSE;
}

static gboolean
set_config(PatchBuild *build, GError **error)
{
    g_autofree char *path = g_build_filename(build->folder, ".config", NULL);
    g_autofree char *prepared = patch_kconfig_prepare(build->config);
    g_autofree char *used = NULL;
    g_autoptr(GError) cause = NULL;

    if (g_file_set_contents(path, prepared, -1, &cause)) {
        if (!make(build, "olddefconfig", error))
            return FALSE;
        if (g_file_get_contents(path, &used, NULL, &cause))
            return patch_kconfig_check(build->config, used, error);
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return FALSE;
}

/* Whether objtool is there, or not needed. What it does to objects is no option of the config; before Linux 5.18 the build
 * goes on without it where it cannot be made, and the objects are not those of the running kernel. */
static gboolean
has_objtool(const PatchBuild *build)
{
    g_autofree char *path = g_build_filename(build->folder, "tools", "objtool", "objtool", NULL);
    g_autofree char *before_5_18 = patch_kconfig_get(build->config, "CONFIG_STACK_VALIDATION");
    g_autofree char *since = patch_kconfig_get(build->config, "CONFIG_OBJTOOL");

    return (!before_5_18 && !since) || g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean
check_objtool(const PatchBuild *build, GError **error)
{
    if (has_objtool(build))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                "the kernel's build made no objtool, which the running kernel's objects went through: this machine lacks "
                "libelf's headers (package libelf-dev)");
    return FALSE;
}

static gboolean
prepare(PatchBuild *build, GError **error)
{
    if (patch_cache_is_complete(build->cache) && (has_objtool(build) || !build->cache->is_alone))
        return check_objtool(build, error);
    if (build->say)
        build->say("preparing the kernel's build (once per source, config and compiler)");
    if (!patch_overlay_remove(build->folder, error))
        return FALSE;
    if (!patch_overlay_remove(build->commands, error))
        return FALSE;
    if (g_mkdir(build->folder, 0700) != 0 || g_mkdir(build->commands, 0700) != 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", build->folder, g_strerror(errno));
        return FALSE;
    }
    return set_config(build, error) && make(build, "modules_prepare", error) && check_objtool(build, error);
}

/* The kernel's build does not take a tree that was built in: from then on, SOURCE is one that looks as if it was not. */
static gboolean
use_clean_tree(PatchBuild *build, GError **error)
{
    g_autofree char *clean = g_build_filename(build->cache->folder, "source", NULL);

    if (!patch_clean_tree_is_needed(build->source))
        return TRUE;
    if (!patch_cache_is_complete(build->cache) &&
        (!patch_overlay_remove(clean, error) || !patch_clean_tree_make(clean, build->source, error)))
        return FALSE;
    g_free(build->source);
    build->source = g_steal_pointer(&clean);
    return TRUE;
}

/* A folder for this PatchBuild only, beside those of others that run; what killed ones left goes when nobody runs. */
static gboolean
make_work_folder(PatchBuild *build, GError **error)
{
    g_autofree char *outer = g_build_filename(build->cache->folder, "work", NULL);
    g_autofree char *work = g_build_filename(outer, "XXXXXX", NULL);

    if (build->cache->is_alone && !patch_overlay_remove(outer, error))
        return FALSE;
    if (g_mkdir_with_parents(outer, 0700) != 0 || !g_mkdtemp(work)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s: %s", work, g_strerror(errno));
        return FALSE;
    }
    build->work = g_steal_pointer(&work);
    patch_run_set_scratch(build->work);
    build->overlay = g_build_filename(build->work, "source", NULL);
    build->old_lines = g_build_filename(build->work, "lines", NULL);
    build->headers = g_build_filename(build->work, "headers", NULL);
    build->new_code_headers = g_build_filename(build->work, "new-code-headers", NULL);
    return patch_kernel_headers_write(build->headers, FALSE, error) &&
           patch_kernel_headers_write(build->new_code_headers, TRUE, error) &&
           patch_overlay_make(build->overlay, build->source, build->files, FALSE, error) &&
           patch_overlay_make(build->old_lines, build->source, build->files, TRUE, error);
}

static gboolean
add_shadow_variables(const PatchBuild *build, GError **error)
{
    g_autofree char *has = patch_kconfig_get(build->config, "CONFIG_LIVEPATCH");
    const char *const overlays[] = { build->overlay, build->old_lines, NULL };

    return has || patch_shadow_add(overlays, build->files, build->kbuild, error);
}

/* A distribution's config is named after the release, which its build chose and the source does not tell. */
static char *
release_of(const char *config)
{
    g_autofree char *name = g_path_get_basename(config);

    return g_regex_match_simple("^config-[0-9]+\\.[0-9]+[A-Za-z0-9.+~_-]{0,57}$", name, 0, 0)
               ? g_strdup(name + strlen("config-")) : NULL;
}

static gboolean
read_inputs(PatchBuild *build, const char *source, const char *config, char **makefile, GError **error)
{
    g_autofree char *resolved = realpath(source, NULL), *own_config = NULL, *ibt = NULL;
    g_autoptr(GError) cause = NULL;

    if (!resolved) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: %s", source, g_strerror(errno));
        return FALSE;
    }
    build->source = g_strdup(resolved);
    own_config = g_build_filename(resolved, ".config", NULL);
    if (!config && !g_file_test(own_config, G_FILE_TEST_EXISTS)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                    "%s holds no .config; give the running kernel's with --config (/boot/config-RELEASE)", source);
        return FALSE;
    }
    config = config ? config : own_config;
    build->release = release_of(config);
    if (!g_file_get_contents(config, &build->config, NULL, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s", cause->message);
        return FALSE;
    }
    if (!strstr(build->config, "CONFIG_")) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s is no kernel config", config);
        return FALSE;
    }
    ibt = patch_kconfig_get(build->config, "CONFIG_X86_KERNEL_IBT");
    build->delays_objtool = ibt != NULL;
    return read_makefile(build, makefile, error);
}

PatchBuild *
patch_build_open(const char *source, const char *config, PatchFiles *files, void (*say)(const char *text),
                 GError **error)
{
    g_autoptr(PatchBuild) build = g_new0(PatchBuild, 1);
    g_autofree char *makefile = NULL, *key = NULL, *objects = NULL;

    g_mutex_init(&build->lock);
    build->made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, patch_build_made_free);
    build->files = files;
    build->say = say;
    if (!read_inputs(build, source, config, &makefile, error) || !choose_compiler(build, error))
        return NULL;
    key = cache_key(build, makefile);
    build->cache = patch_cache_open(key, say, error);
    if (!build->cache)
        return NULL;
    build->folder = g_build_filename(build->cache->folder, "build", NULL);
    build->commands = g_build_filename(build->cache->folder, "commands", NULL);
    objects = g_build_filename(build->cache->folder, "objects", NULL);
    if (!use_clean_tree(build, error) || !make_work_folder(build, error) || !prepare(build, error))
        return NULL;
    build->kbuild = patch_kbuild_open(build->source, build->folder, objects, error);
    if (!build->kbuild || (build->cache->is_alone && !patch_cache_set_complete(build->cache, error)) ||
        !add_shadow_variables(build, error))
        return NULL;
    patch_cache_share(build->cache);
    return g_steal_pointer(&build);
}
