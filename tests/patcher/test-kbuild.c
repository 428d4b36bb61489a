/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/kbuild.h"

#include <glib/gstdio.h>

#include "patcher/overlay.h"

static void
test_parse(void)
{
    g_autoptr(PatchKbuild) kbuild = patch_kbuild_parse("y fs/./x.o\nm net/a/../b/y.o net/b/mod-x\nm net/a/../b/y.o net/b/mod-x\n"
                                                        "noise\ny\nm z.o\n");
    g_autofree char *plain = patch_kbuild_target(kbuild, "fs/x.c"), *far = patch_kbuild_target(kbuild, "net/b/y.c");
    g_autofree char *tops = patch_kbuild_tops("core-y := a/\nfoo := b\nobj-$(CONFIG_NET)\t+= net/\nifdef X\n"
                                              "core-y := $(patsubst %/,%,$(core-y))\nobj-y\n");

    g_assert_cmpuint(g_hash_table_size(kbuild->objects), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(kbuild->objects, "fs/x.o"), ==, "");
    g_assert_cmpstr(g_hash_table_lookup(kbuild->objects, "net/b/y.o"), ==, "net/b/mod-x");
    g_assert_cmpstr(plain, ==, "fs/x.o");
    g_assert_cmpstr(far, ==, "net/a/../b/y.o");
    g_assert_true(patch_kbuild_has(kbuild, "fs/x.c"));
    g_assert_false(patch_kbuild_has(kbuild, "z.c"));
    g_assert_cmpstr(tops, ==, "core-y := a/\nobj-$(CONFIG_NET)\t+= net/\n");
}

/* Writes TEXT into the file NAME below FOLDER. */
static void
put(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL), *parent = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* A tree whose Makefiles are read from a build folder of their own; BUILD_RULES is its scripts/Makefile.build. */
static void
check_walk(const char *build_rules)
{
    g_autofree char *folder = g_dir_make_tmp("kbuild-XXXXXX", NULL), *source = g_build_filename(folder, "source", NULL);
    g_autofree char *build = g_build_filename(folder, "build", NULL), *store = g_build_filename(folder, "store", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchKbuild) kbuild = NULL;

    put(source, "Makefile", "core-y := kernel/\n");
    put(source, "Kbuild", "obj-$(CONFIG_NET) += net/\n");
    put(source, "arch/x86/Makefile", "");
    put(source, "scripts/Kbuild.include", "");
    put(source, "scripts/Makefile.build", build_rules);
    put(source, "kernel/Makefile", "obj-y := fork.o\nobj-$(CONFIG_NOT) += not.o\n");
    put(source, "net/Kbuild", "obj-m += sub/ whole.o\nwhole-y := one.o\ninclude $(src)/more/Kbuild\n");
    put(source, "net/more/Kbuild", "whole-y += more/two.o\n");
    put(source, "net/sub/Makefile", "obj-y += alone.o\n");
    put(build, "include/config/auto.conf", "CONFIG_NET=y\n");
    kbuild = patch_kbuild_open(source, build, store, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(patch_kbuild_module(kbuild, "kernel/fork.c"), ==, "");
    g_assert_cmpstr(patch_kbuild_module(kbuild, "net/one.c"), ==, "net/whole");
    g_assert_cmpstr(patch_kbuild_module(kbuild, "net/more/two.c"), ==, "net/whole");
    g_assert_false(patch_kbuild_has(kbuild, "kernel/not.c"));
    g_assert_true(patch_overlay_remove(folder, NULL));
}

static void
test_walk(void)
{
    check_walk("src := $(obj)\n");
}

/* Since 6.9, $(src) is the source's own folder. */
static void
test_walk_newer(void)
{
    check_walk("src := $(srcroot)/$(obj)\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kbuild/parse", test_parse);
    g_test_add_func("/kbuild/walk", test_walk);
    g_test_add_func("/kbuild/walk of newer trees", test_walk_newer);
    return g_test_run();
}
