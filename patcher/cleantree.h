/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel tree that was built in, as it was before: symbolic links to all that is source. The kernel's build refuses to
 * use a tree for another build that holds one already.
 */
#ifndef PATCHER_CLEANTREE_H
#define PATCHER_CLEANTREE_H

#include <glib.h>

/* Whether the tree SOURCE holds a configuration or generated headers. */
gboolean patch_clean_tree_is_needed(const char *source);

/* Makes FOLDER (which must not exist) look like SOURCE without what its build made. */
gboolean patch_clean_tree_make(const char *folder, const char *source, GError **error);

#endif
