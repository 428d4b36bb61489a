/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a code update cannot do by itself: each case with the function, datum or structure it is about, and what to do.
 */
#ifndef PATCHER_FINDING_H
#define PATCHER_FINDING_H

#include <glib.h>

typedef enum {
    PATCH_FINDING_DATA,         /* initial value of data that exist already */
    PATCH_FINDING_SIZE,         /* size of data that exist already */
    PATCH_FINDING_LAYOUT,       /* size of a structure, or place of a member */
    PATCH_FINDING_MEMBERS,      /* members of a structure, all others where they were */
    PATCH_FINDING_EXPORT,       /* signature of a function that is exported to modules */
    PATCH_FINDING_INIT,         /* code that runs at boot only */
    PATCH_FINDING_TABLE,        /* table that the kernel reads at boot only */
    PATCH_FINDING_FUNCTION,     /* function that cannot be replaced */
    PATCH_FINDING_CODE,         /* new code that an update cannot carry */
    PATCH_N_FINDINGS
} PatchFindingClass;

typedef struct {
    PatchFindingClass class;
    char *name;                 /* of what it is about */
    char *text;                 /* for people */
} PatchFinding;

void patch_finding_free(PatchFinding *finding);

/* A list that owns its findings. */
GPtrArray *patch_findings_new(void);
void patch_findings_add(GPtrArray *findings, PatchFindingClass class, const char *name, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

const char *patch_finding_class_name(PatchFindingClass class);

/* The classes named in NAMES (may be NULL) as a bit each. PATCH_ERROR_USAGE: a name that is none, or of a class that
 * cannot be overridden. */
gboolean patch_finding_classes_parse(const char *const *names, guint *classes, GError **error);

/* All classes that can be overridden, with commas between; to be freed. */
char *patch_finding_classes_list(void);

/* Adds those classes of FINDINGS that are in FORCED to USED (bits). PATCH_ERROR_DOES_NOT_FIT: some are not; the message
 * has each of them. */
gboolean patch_findings_override(const GPtrArray *findings, guint forced, guint *used, GError **error);

/* The names of the classes in CLASSES; to be freed. */
GStrv patch_finding_classes_names(guint classes);

#endif
