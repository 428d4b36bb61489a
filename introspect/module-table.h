/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the guest's kernel finds its modules: a list of them, and a tree by address, in two copies of which one is whole at
 * any time (a latch). Where their parts lie; what is in them is for the caller to read.
 * Source: kernel/module/main.c, kernel/module/tree_lookup.c, include/linux/rbtree_latch.h of Linux (5.10: kernel/module.c).
 */
#ifndef INTROSPECT_MODULE_TABLE_H
#define INTROSPECT_MODULE_TABLE_H

#include "introspect/kernel.h"

typedef struct {
    GuestVa list;               /* the head: a struct list_head */
    GuestVa lock;               /* the owner word of module_mutex: zero while nobody holds it or waits for it */

    gboolean has_tree;          /* else the kernel looks through the list, and what follows is not there */
    GuestVa sequence;           /* 32 bits, counted up before each of the two trees is changed */
    GuestVa roots[2];           /* a struct rb_root each */
    GuestVa lowest, highest;    /* bounds of all modules, which are asked before the tree is: 64 bits each */

    /* Of struct module: bytes from its start. */
    gsize module_bytes;
    gsize link;                 /* struct list_head */
    gsize text;                 /* struct module_layout, or the struct module_memory that is text */
    gsize text_base;            /* where that memory is: 64 bits */
    gsize size_behind_base;     /* and how long, 32 bits: bytes from text_base on */
    gsize node_owner;           /* back to the module, from the text's nodes */
    gsize nodes[2];             /* the text's struct rb_node in either tree */
} IntroModuleTable;

/* INTRO_ERROR_UNSUPPORTED: a kernel without modules, or one whose modules are kept in a way that is not known. */
gboolean intro_module_table_read(const IntroKernel *kernel, IntroModuleTable *table, GError **error);

#endif
