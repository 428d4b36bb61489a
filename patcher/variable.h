/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a variable of an object a member is, by the object's debugging information, and of what type it is.
 */
#ifndef PATCHER_VARIABLE_H
#define PATCHER_VARIABLE_H

#include "patcher/object.h"
#include "patcher/setting.h"

typedef enum {
    PATCH_TYPE_OTHER,           /* nothing that one value can be given */
    PATCH_TYPE_NUMBER,
    PATCH_TYPE_SIGNED,
    PATCH_TYPE_BOOL,
    PATCH_TYPE_POINTER,
    PATCH_TYPE_TEXT,            /* an array of char */
} PatchTypeKind;

typedef struct {
    PatchTypeKind kind;
    char *type;                 /* as in C; "" if it has no name */
    GArray *offsets;            /* of guint64: bytes, from the variable, and from what each pointer on the way leads to */
    guint64 size;               /* bytes; of a bit field those that it has bits in */
    guint bit, n_bits;          /* of a bit field: the first bit, from the lowest one of the first byte; n_bits 0: no field */
} PatchVariable;

/* SETTING's place in ELF, in which the variable has SIZE bytes. PATCH_ERROR_USAGE: there is no such member; FAILED: no
 * debugging information, or several variables of that name. */
PatchVariable *patch_variable_find(const PatchElf *elf, const PatchSetting *setting, guint64 size, GError **error);
void patch_variable_free(PatchVariable *variable);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchVariable, patch_variable_free)

/* What is OFFSET bytes from the start of the variable NAME, which has SIZE bytes: as "name.member[3]", or "name+0x18" as far
 * as that is not known. To be freed. */
char *patch_variable_name_at(const PatchElf *elf, const char *name, guint64 size, guint64 offset);

#endif
