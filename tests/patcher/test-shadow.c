/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which file of a patch brings shadow variables along, and which patches cannot have any of their own.
 */
#include "config.h"

#include <glib/gstdio.h>

#include "patcher/error.h"
#include "patcher/overlay.h"
#include "patcher/shadow.h"

#define USES "void f(void *p) { klp_shadow_get(p, 1); }\n"
#define USES_NONE "void g(void) { }\n"
#define INCLUDES "#include <virt-livepatch-shadow.h>"

typedef struct {
    char *folder;
    PatchFiles *files;
} Tree;

static void
tree_clear(Tree *tree)
{
    g_assert_true(patch_overlay_remove(tree->folder, NULL));
    g_free(tree->folder);
    patch_files_free(tree->files);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tree, tree_clear)

static void
add(Tree *tree, const char *path, const char *text)
{
    g_autofree char *place = NULL, *outer = NULL;

    if (!tree->folder)
        tree->folder = g_dir_make_tmp("shadow-XXXXXX", NULL);
    place = g_build_filename(tree->folder, path, NULL);
    outer = g_path_get_dirname(place);
    g_ptr_array_add(tree->files->files, patch_file_new(path));
    g_assert_cmpint(g_mkdir_with_parents(outer, 0700), ==, 0);
    g_assert_true(g_file_set_contents(place, text, -1, NULL));
}

static gboolean
run(const Tree *tree, GError **error)
{
    g_autoptr(PatchKbuild) kbuild = patch_kbuild_parse("y mm/slab.o\ny mm/pages.o\ny mm/more.o\nm fs/nfs/dir.o fs/nfs/nfs\n");
    const char *const overlays[] = { tree->folder, NULL };

    return patch_shadow_add(overlays, tree->files, kbuild, error);
}

static gboolean
has(const Tree *tree, const char *path)
{
    g_autofree char *place = g_build_filename(tree->folder, path, NULL), *text = NULL;

    g_assert_true(g_file_get_contents(place, &text, NULL, NULL));
    return strstr(text, INCLUDES) != NULL;
}

static void
test_first_of_several(void)
{
    g_auto(Tree) tree = { .files = patch_files_new() };

    add(&tree, "mm/none.c", USES);
    add(&tree, "mm/slab.h", USES);
    add(&tree, "mm/slab.c", USES_NONE);
    add(&tree, "mm/pages.c", USES);
    add(&tree, "mm/more.c", USES);
    g_assert_true(run(&tree, NULL));
    g_assert_true(has(&tree, "mm/pages.c"));
    g_assert_false(has(&tree, "mm/none.c") || has(&tree, "mm/slab.h") || has(&tree, "mm/slab.c") || has(&tree, "mm/more.c"));
}

static void
test_none(void)
{
    g_auto(Tree) tree = { .files = patch_files_new() };

    add(&tree, "mm/slab.c", USES_NONE);
    g_assert_true(run(&tree, NULL));
    g_assert_false(has(&tree, "mm/slab.c"));
}

static void
test_headers_only(void)
{
    g_auto(Tree) tree = { .files = patch_files_new() };
    g_autoptr(GError) error = NULL;

    add(&tree, "mm/slab.h", USES);
    g_assert_false(run(&tree, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
}

static void
test_two_modules(void)
{
    g_auto(Tree) tree = { .files = patch_files_new() };
    g_autoptr(GError) error = NULL;

    add(&tree, "mm/slab.c", USES);
    add(&tree, "fs/nfs/dir.c", USES);
    g_assert_false(run(&tree, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
    g_assert_nonnull(strstr(error->message, "mm/slab.c and fs/nfs/dir.c"));
    g_assert_false(has(&tree, "mm/slab.c"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/first-of-several", test_first_of_several);
    g_test_add_func("/shadow/none", test_none);
    g_test_add_func("/shadow/headers-only", test_headers_only);
    g_test_add_func("/shadow/two-modules", test_two_modules);
    return g_test_run();
}
