/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies where within a type, as DWARF describes it. Internal to what reads debugging information.
 */
#ifndef PATCHER_DWARF_LAYOUT_H
#define PATCHER_DWARF_LAYOUT_H

#include <elfutils/libdw.h>
#include <glib.h>

/* TYPE becomes what is behind its typedefs and qualifiers. FALSE if there is no such type. */
gboolean patch_dwarf_peel(Dwarf_Die *type);

/* Bytes of TYPE; 0 if it has no size. */
guint64 patch_dwarf_size(Dwarf_Die *type);

/* The number of elements of an array with one dimension; 0 if it is none, or does not say. */
guint64 patch_dwarf_elements(Dwarf_Die *array);

/* Whether TYPE, peeled, is a structure or union. The next two take such a one. */
gboolean patch_dwarf_is_structure(Dwarf_Die *type);

/* The member NAME of TYPE, or of a nameless member of it; BITS: where in TYPE it begins. */
gboolean patch_dwarf_find_member(Dwarf_Die *type, const char *name, Dwarf_Die *member, guint64 *bits);

/* TYPE becomes that of the member to which the byte at *OFFSET belongs, and *OFFSET where in the member that byte is. NAME (may
 * be NULL) is the member's, or NULL if it has none. Bit fields are passed over. */
gboolean patch_dwarf_member_at(Dwarf_Die *type, guint64 *offset, const char **name);

#endif
