/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A patched C source in which every line that the patch left alone has the number that it had before. What the compiler
 * makes of it differs from what it made of the unpatched source only where the patch changed something, and not where
 * __LINE__ moved.
 */
#ifndef PATCHER_LINEMARKS_H
#define PATCHER_LINEMARKS_H

#include "patcher/patchfile.h"

/* TEXT is FILE, patched, with its edits set. Lines behind an edit where no #line may stand (in the arguments of a macro)
 * keep the number they have. To be freed. */
char *patch_line_marks_add(const PatchFile *file, const char *text);

#endif
