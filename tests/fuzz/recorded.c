/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/recorded.h"

static GuestRecord *record;
static IntroKernel *kernel;

static void
prepare(RecordedLook look)
{
    const char *path = g_getenv("VLP_FUZZ_GUEST");
    g_autoptr(GError) error = NULL;

    if (path == NULL)
        g_error("VLP_FUZZ_GUEST has to name what record-guest made");
    record = guest_record_load(path, &error);
    if (record != NULL)
        kernel = intro_kernel_attach(guest_record_reader(record), &error);
    if (kernel == NULL)
        g_error("%s: %s", path, error->message);
    guest_record_watch(record);
    look(guest_record_reader(record), kernel);
    guest_record_watched(record);
}

void
recorded_write(GuestVa va, const guint8 *bytes, gsize length)
{
    IntroMapping mapping;

    for (gsize done = 0; done < length; done += mapping.length) {
        if (!intro_space_translate(intro_kernel_space(kernel), va + done, &mapping, NULL))
            return;
        mapping.length = MIN(mapping.length, length - done);
        guest_record_write(record, mapping.pa.value, bytes + done, mapping.length);
    }
}

void
recorded_fuzz(RecordedLook look, const guint8 *data, gsize size)
{
    if (record == NULL)
        prepare(look);
    guest_record_edit(record, data, size);
    look(guest_record_reader(record), kernel);
    guest_record_restore(record);
}
