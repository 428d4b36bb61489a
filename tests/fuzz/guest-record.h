/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's memory as far as introspection has looked at it: kept while it reads a real guest, saved, and read again
 * later by fuzzers, which damage it. A file is for the build and the host that made it: it holds structs as they are.
 */
#ifndef TESTS_FUZZ_GUEST_RECORD_H
#define TESTS_FUZZ_GUEST_RECORD_H

#include "vmm/machine.h"

typedef struct GuestRecord GuestRecord;

/* Of a guest that stands still, with these vCPUs; whatever is read through the record is kept. SOURCE is borrowed. */
GuestRecord *guest_record_new(const VmmReader *source, const VmmVcpu *vcpus, guint n_vcpus);
gboolean guest_record_save(const GuestRecord *record, const char *path, GError **error);
/* Memory that was never read is zero. */
GuestRecord *guest_record_load(const char *path, GError **error);
void guest_record_free(GuestRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestRecord, guest_record_free)

/* Owned by the record. */
const VmmReader *guest_record_reader(GuestRecord *record);

/* Between the two, notes which words are read: those are what edits choose from. */
void guest_record_watch(GuestRecord *record);
void guest_record_watched(GuestRecord *record);

/*
 * Damages what was watched, as DATA says: any number of edits of 13 bytes each, of which the first tells what is done,
 * three choose the word, and the rest is an operand: a value, or another word to be copied from. Restoring takes all
 * edits back.
 */
void guest_record_edit(GuestRecord *record, const guint8 *data, gsize size);
/* The same with LENGTH bytes at PA, as far as memory there was recorded. */
void guest_record_write(GuestRecord *record, guint64 pa, const guint8 *bytes, gsize length);
void guest_record_restore(GuestRecord *record);

#endif
