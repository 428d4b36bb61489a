/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pair of small C sources for each phenomenon that the differencer knows.
 */
#ifndef TESTS_PATCHER_DIFF_CASES_H
#define TESTS_PATCHER_DIFF_CASES_H

#include "patcher/object.h"

typedef struct {
    const char *name;
    const char *old_source, *new_source;
    const char *expected;       /* what is to be said of it: "changed f", "new f", "caller f", "class name" */
} DiffCase;

extern const DiffCase diff_cases[];
extern const gsize diff_cases_n;

/* SOURCE as COMPILER makes an object of it with the kernel's options; with a file NAME in FOLDER, which is removed. */
PatchElf *diff_case_compile(const char *folder, const char *compiler, const char *name, const char *source);

#endif
