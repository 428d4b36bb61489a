/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an object's debugging information says of its types and functions.
 *
 * Sources: DWARF 2 to 5 as gcc and clang write it; read with libdw, after the object's own relocations were applied to a
 * copy of it.
 */
#ifndef PATCHER_DWARF_H
#define PATCHER_DWARF_H

#include "patcher/object.h"

typedef struct {
    char *name;                 /* members of nameless members count as the structure's own; those of a named member whose
                                   structure has no name follow it, as "member.its". A bit field without a name is left out */
    char *type;                 /* as in C, by name: what a pointer leads to is not looked at */
    char *meaning;              /* the same where the one's bits can be taken for the other's */
    char *enumeration;          /* that a number is a constant of; NULL for other numbers, and all else */
    char *passed;               /* of a callback: the same where callers of the one can call the other; NULL for all else */
    gboolean is_number;         /* an integer, whatever it is called, but not within a structure of its own (atomic_t) */
    guint64 offset, size;       /* bits; the offset is that within "member", if there is one */
} PatchMember;

typedef struct {
    char *name;                 /* "struct sock", "union nf_inet_addr", "enum tcp_state", or a typedef's name */
    guint64 size;               /* bytes */
    GPtrArray *members;         /* of PatchMember; of an enumeration: its constants, with their value as offset */
    gboolean is_enum;
    gboolean is_public;         /* by a header in a folder for all of the kernel: any module may know it */
} PatchStruct;

/* The name that all enumerations without one go by. */
#define PATCH_NAMELESS_ENUM "enum"

typedef struct {
    char *text;                 /* as "int (struct sock *, int)" */
    char *passed;               /* equal where callers of the one can call the other */
} PatchSignature;

typedef struct {
    GHashTable *structs;        /* char * -> GPtrArray of PatchStruct: several where functions have types of one name, or for
                                   PATCH_NAMELESS_ENUM */
    GHashTable *variables;      /* char * -> GPtrArray of PatchStruct, as patch_dwarf_variable() makes them: what code can write to,
                                   by the names in the source; several where functions have variables of one name */
    GHashTable *signatures;     /* char * -> PatchSignature *: of global functions */
    GHashTable *inlined;        /* char * -> set of char *: function -> functions that are inlined in it */
} PatchDwarf;

/* The member or constant NAME of TYPE; NULL if it has none. */
const PatchMember *patch_struct_member(const PatchStruct *type, const char *name);

/* NULL if ELF has no debugging information, or none that can be understood. */
PatchDwarf *patch_dwarf_read(const PatchElf *elf);
void patch_dwarf_free(PatchDwarf *dwarf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchDwarf, patch_dwarf_free)

#endif
