/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damage to the kernel data of a running guest: thought out, noted in a file with what was there before, and done, or undone,
 * in one pause. What cannot be thought out, since the kernel is not as expected, ends the program.
 */
#ifndef TESTS_LIVE_DAMAGE_H
#define TESTS_LIVE_DAMAGE_H

#include "introspect/kernel.h"
#include "introspect/tasks.h"

typedef struct {
    VmmMachine *machine;
    IntroKernel *kernel;
    const IntroTask *task;              /* the one that was named; may be NULL */
    GPtrArray *tasks;
    GArray *changes;                    /* to be made */
} Damage;

/* None yet. MACHINE may be NULL for as long as nothing else is asked. */
void damage_init(Damage *damage, VmmMachine *machine);

GuestVa damage_symbol(const Damage *damage, const char *name);
gsize damage_member(const Damage *damage, const char *type, const char *name);
GuestPa damage_place(const Damage *damage, GuestVa va);
guint64 damage_word(const Damage *damage, GuestVa va);

/* Memory of the image's that nothing uses, which can hold whatever a guest might make up. */
IntroHole damage_unused(const Damage *damage, gboolean executable);

void damage_add(Damage *damage, GuestPa pa, const void *bytes, guint length);
void damage_add_word(Damage *damage, GuestVa va, guint64 value);

/* Notes in the file PATH what is there now. */
gboolean damage_note(const Damage *damage, const char *path, GError **error);

/* Adds what was noted there. */
gboolean damage_read_noted(Damage *damage, const char *path, GError **error);

gboolean damage_do(const Damage *damage, GError **error);

#endif
