/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's symbols: vmlinux's out of the kallsyms tables that lie in its read-only data, modules' out of their own.
 * Formats: kernel/kallsyms.c, scripts/kallsyms.c and kernel/module/kallsyms.c of Linux.
 */
#ifndef INTROSPECT_SYMBOLS_H
#define INTROSPECT_SYMBOLS_H

#include "introspect/error.h"
#include "vmm/addr.h"

typedef struct IntroSymbols IntroSymbols;

typedef struct {
    GuestVa va;
    const char *name;       /* owned by the table */
    const char *module;     /* owned by the table; NULL for vmlinux */
    guint64 size;           /* bytes to the next symbol of another address, as the kernel reckons; 0 if unknown */
    char type;              /* the letter of /proc/kallsyms */
    gboolean is_global;     /* can be seen by other objects of the same image or module */
} IntroSymbol;

void intro_symbols_free(IntroSymbols *symbols);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroSymbols, intro_symbols_free)

/* Addresses from START to END - 1. */
typedef struct {
    GuestVa start, end;
} IntroRegion;

/* The symbols of vmlinux or of one module, as its source (kallsyms.h, module-symbols.h) gives them. */
typedef struct {
    char *module;           /* NULL for vmlinux */
    char *names;            /* what the symbols' names point into */
    GArray *symbols;        /* of IntroSymbol, in the kernel's order; module and size are set by the table */
    GArray *regions;        /* of IntroRegion: the addresses that are looked up among these symbols. A symbol's size
                               ends where its region ends */
} IntroSymbolGroup;

/* NAMES is taken over. */
IntroSymbolGroup *intro_symbol_group_new(const char *module, char *names);
void intro_symbol_group_free(IntroSymbolGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroSymbolGroup, intro_symbol_group_free)

/* Takes over the groups. */
IntroSymbols *intro_symbols_new(IntroSymbolGroup *vmlinux);
/* Adds modules' symbols; pointers into the table that were given out before are no longer valid. */
void intro_symbols_add_modules(IntroSymbols *symbols, GPtrArray *groups);

/* All, by address, vmlinux's before modules' of the same address; owned by the table. */
const IntroSymbol *intro_symbols_all(const IntroSymbols *symbols, gsize *n_symbols);

/* The symbol that VA lies in, as the kernel would name it (the first of several at one address); NULL if none.
 * OFFSET may be NULL. */
const IntroSymbol *intro_symbols_at(const IntroSymbols *symbols, GuestVa va, guint64 *offset);

/* All symbols of that name, by address, in the module or in vmlinux (MODULE NULL): an array of pointers into the
 * table, NULL-terminated, to be freed with g_free; N_FOUND may be NULL. */
const IntroSymbol **intro_symbols_named(const IntroSymbols *symbols, const char *module, const char *name, guint *n_found);

/* The one symbol of that name in vmlinux. INTRO_ERROR_NOT_FOUND if there is none or more than one. */
gboolean intro_symbols_address(const IntroSymbols *symbols, const char *name, GuestVa *va, GError **error);

/* "name+0x1f/0x30" or "name+0x1f/0x30 [module]" as %pB prints a return address (IS_RETURN) or %pS a plain one; the
 * bare number where there is no symbol. To be freed. */
char *intro_symbols_describe(const IntroSymbols *symbols, GuestVa va, gboolean is_return);

#endif
