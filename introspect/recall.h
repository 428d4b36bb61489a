/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads that are made over and over, of what seldom moves: what one round of them has read, the next one reads in one go before
 * it begins. What a round finds is as old as its beginning, which makes no difference while the guest is paused.
 */
#ifndef INTROSPECT_RECALL_H
#define INTROSPECT_RECALL_H

#include "introspect/space.h"

typedef struct IntroRecall IntroRecall;

/* SPACE is borrowed. */
IntroRecall *intro_recall_new(const IntroSpace *space);
void intro_recall_free(IntroRecall *recall);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroRecall, intro_recall_free)

/* Begins a round. What cannot be read any more is left for the round itself to find. */
void intro_recall_begin(IntroRecall *recall);

/* All or an error, as of intro_space_read(). */
gboolean intro_recall_read(IntroRecall *recall, GuestVa va, void *buffer, gsize length, GError **error);
gboolean intro_recall_read_u32(IntroRecall *recall, GuestVa va, guint32 *value, GError **error);
gboolean intro_recall_read_u64(IntroRecall *recall, GuestVa va, guint64 *value, GError **error);

#endif
