/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A relocatable object file (.o) of the kernel: sections, symbols, relocations; and items, the functions and data that
 * they make up. Everything a field refers to can be resolved to a place.
 */
#ifndef PATCHER_OBJECT_H
#define PATCHER_OBJECT_H

#include <glib.h>

typedef struct {
    guint64 offset;             /* of the field, bytes from the start of the section */
    guint32 type;               /* R_X86_64_* */
    guint32 symbol;             /* PatchElf.symbols[symbol] */
    gint64 addend;
    guint8 tail;                /* in code: bytes from the field to the end of its instruction, where a reference
                                   relative to the program counter counts from; else 0 */
    gboolean is_branch;         /* field of a direct call or jump */
} PatchReloc;

typedef struct {
    char *name;
    guint32 type;               /* SHT_* */
    guint64 flags;              /* SHF_* */
    guint64 size, alignment, entry_size;
    const guint8 *data;         /* NULL if there are no bytes (.bss) */
    GArray *relocs;             /* of PatchReloc, by ascending offset; those of type NONE are left out */
    GArray *items;              /* of guint32: PatchElf.items, by ascending offset */
} PatchElfSection;

typedef struct {
    char *name;                 /* of a section symbol: its section's */
    gint32 section;             /* PatchElf.sections[section]; -1: undefined; -2: absolute */
    guint64 value, size;
    gboolean is_global, is_weak, is_function, is_section;
} PatchElfSymbol;

/* A function or datum, or bytes of a section that have no symbol. */
typedef struct {
    char *name;                 /* of a nameless item: its section's, with the offset if it does not start there */
    guint32 section;
    guint64 offset, size;
    gint32 symbol;              /* -1: nameless */
    gboolean is_function;
    gboolean is_padding;        /* code that does nothing, between functions */
    gboolean is_opaque;         /* code that cannot be decoded to its end, or leaves by a short jump */
} PatchElfItem;

typedef struct PatchElf {
    GPtrArray *sections;        /* of PatchElfSection; [0] is the null section, numbered as in the file */
    GPtrArray *symbols;         /* of PatchElfSymbol; as in the file, further section symbols behind */
    GPtrArray *items;           /* of PatchElfItem */
    GHashTable *by_name;        /* char * -> item number + 1 */
    GBytes *bytes;
} PatchElf;

typedef enum {
    PATCH_PLACE_EXTERN,         /* symbol of another object; offset from it */
    PATCH_PLACE_ITEM,           /* offset from the item's start; may lie outside of it */
    PATCH_PLACE_LITERAL,        /* in a section that the linker merges; offset from its start */
    PATCH_PLACE_ABSOLUTE,       /* offset is the value; or counts from the start of the section index, where there is no
                                   item or literal that could be meant */
} PatchPlaceKind;

typedef struct {
    PatchPlaceKind kind;
    guint32 index;              /* symbol, item, or section */
    gint64 offset;              /* bytes */
} PatchPlace;

/* PATCH_ERROR_FAILED: not an object file of an x86-64 kernel, or damaged. */
PatchElf *patch_elf_read(const char *path, GError **error);
/* The same in two steps. */
GBytes *patch_elf_load(const char *path, GError **error);
PatchElf *patch_elf_parse(GBytes *bytes, GError **error);
void patch_elf_free(PatchElf *elf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchElf, patch_elf_free)

const PatchElfSection *patch_elf_section(const PatchElf *elf, guint32 index);
const PatchElfSymbol *patch_elf_symbol(const PatchElf *elf, guint32 index);
const PatchElfItem *patch_elf_item(const PatchElf *elf, guint32 index);

/* Number of the section of that name, 0 if there is none; AFTER: only those behind that number (begin with 0). */
guint32 patch_elf_find_section(const PatchElf *elf, const char *name, guint32 after);
/* Number of the item of that name, -1 if there is none or more than one. */
gint32 patch_elf_find_item(const PatchElf *elf, const char *name);

/* Whether there is any. */
gboolean patch_elf_has_item(const PatchElf *elf, const char *name);
/* Number of the item that the byte at OFFSET belongs to, -1 if none. */
gint32 patch_elf_item_at(const PatchElf *elf, guint32 section, guint64 offset);

/* What the field of RELOC refers to. */
PatchPlace patch_elf_place(const PatchElf *elf, const PatchReloc *reloc);

/* The bytes of the literal at PLACE, from there to the end of its string or constant; owned by ELF. */
const guint8 *patch_elf_literal(const PatchElf *elf, const PatchPlace *place, gsize *length);

/* SIZE bytes of a section from OFFSET on, with zeros where relocations are: an assembler may leave anything there. To be
 * freed. */
guint8 *patch_elf_bytes(const PatchElf *elf, guint32 section, guint64 offset, guint64 size);

/* The first relocation of SECTION at OFFSET or behind, as an index into its relocs. */
guint patch_elf_first_reloc(const PatchElfSection *section, guint64 offset);

gboolean patch_elf_is_code(const PatchElfSection *section);
gboolean patch_elf_is_mergeable(const PatchElfSection *section);
gboolean patch_reloc_is_pc_relative(guint32 type);

#endif
