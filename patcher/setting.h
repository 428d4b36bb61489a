/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the maker of an update asks for with --set: a datum of the kernel, and what it is to hold. As text:
 *
 *     [FILE:]VARIABLE{.MEMBER | ->MEMBER | [INDEX]}[+BYTES]=[EXPECTED:]VALUE
 *
 * as in "net/ipv4/tcp.c:tcp_orphans.limit=100". A value is a number (decimal, 0x, negative), true, false, NULL, a "string"
 * as in C, or &SYMBOL.
 */
#ifndef PATCHER_SETTING_H
#define PATCHER_SETTING_H

#include <glib.h>

typedef enum {
    PATCH_AT_MEMBER,          /* .name */
    PATCH_AT_POINTER,         /* ->name: the member of what a pointer leads to */
    PATCH_AT_INDEX,           /* [number] */
    PATCH_AT_BYTES,           /* +number; only as the last one */
} PatchSettingStepKind;

typedef struct {
    PatchSettingStepKind kind;
    char *name;                 /* of MEMBER and POINTER, else NULL */
    guint64 number;             /* of INDEX and BYTES */
} PatchSettingStep;

typedef enum {
    PATCH_LITERAL_NUMBER,
    PATCH_LITERAL_TEXT,
    PATCH_LITERAL_ADDRESS,      /* of a symbol */
} PatchLiteralKind;

typedef struct {
    PatchLiteralKind kind;
    guint64 number;             /* of a negative number: as 64 bits */
    gboolean is_negative;
    char *text;                 /* the text, or the symbol's name; NULL for a number */
} PatchLiteral;

typedef struct {
    char *source;               /* the whole expression, for messages */
    char *file;                 /* a C file of the kernel, as "net/ipv4/tcp.c"; NULL: one of those that the patch touches */
    char *variable;             /* with its number if it has one (name.12) */
    char *place;                /* the variable with all that follows it, up to the equals sign */
    GArray *steps;              /* of PatchSettingStep */
    PatchLiteral *expected;     /* NULL: its initial value */
    PatchLiteral *value;
} PatchSetting;

/* PATCH_ERROR_USAGE says what is wrong with TEXT. */
PatchSetting *patch_setting_parse(const char *text, GError **error);
void patch_setting_free(PatchSetting *setting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchSetting, patch_setting_free)

/* A file's settings, one a line; empty lines and those that begin with # are passed over. Of PatchSetting, owned. NAME is
 * for messages. */
GPtrArray *patch_settings_parse(const char *name, const char *text, GError **error);

#endif
