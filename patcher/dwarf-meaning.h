/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bits of a type mean, whatever it is called. Internal to what reads debugging information.
 */
#ifndef PATCHER_DWARF_MEANING_H
#define PATCHER_DWARF_MEANING_H

#include <elfutils/libdw.h>
#include <glib.h>

/* The same text for two types of which the one's bits can be taken for the other's: numbers go by their size and order of
 * bytes, pointers by what they lead to, callbacks are all one, a structure is its member if it has only one, and goes by
 * its name otherwise. ENUMERATION is set to the name of the enumeration that numbers of the type are constants of, NULL for
 * others. Both to be freed. DIE has the type; so of all that follows. */
char *patch_dwarf_meaning(Dwarf_Die *die, char **enumeration);

/* Whether DIE's type is an integer, a truth value or an enumeration behind all typedefs, also within structures of their
 * own. */
gboolean patch_dwarf_is_number(Dwarf_Die *die);

/* The same without structures: what atomic_t counts, somebody has to have begun. */
gboolean patch_dwarf_is_plain_number(Dwarf_Die *die);

/* The type of the function that DIE's type leads to; FALSE if it leads to none. */
gboolean patch_dwarf_callback(Dwarf_Die *die, Dwarf_Die *function);

/* Whether nothing may write to it. */
gboolean patch_dwarf_is_constant(Dwarf_Die *die);

/* The structure or union without any name that DIE is, has an array of, or leads to. */
gboolean patch_dwarf_nameless_within(Dwarf_Die *die, Dwarf_Die *type);

#endif
