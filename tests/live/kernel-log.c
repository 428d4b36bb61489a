/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel-log GUEST: prints the log of the guest's kernel as its /dev/kmsg does, without flags, dictionaries and escaped
 * backslashes.
 */
#include <stdio.h>

#include "introspect/log.h"

static void
print_record(const IntroLogRecord *record)
{
    printf("%u,%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT ";", record->facility << 3 | record->level, record->sequence,
           record->time_ns / 1000);
    for (const char *c = record->text; *c != '\0'; c++)
        printf(g_ascii_isprint(*c) ? "%c" : "\\x%02x", (guchar) *c);
    putchar('\n');
}

static gboolean
print_log(const char *name, GError **error)
{
    g_autoptr(VmmMachine) machine = vmm_machine_open(name, NULL, error);
    g_autoptr(IntroKernel) kernel = machine != NULL ? intro_kernel_attach(vmm_machine_reader(machine), error) : NULL;
    g_autoptr(GPtrArray) records = kernel != NULL ? intro_log_read(kernel, 0, error) : NULL;

    for (guint i = 0; records != NULL && i < records->len; i++)
        print_record(records->pdata[i]);
    return records != NULL;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: kernel-log GUEST\n");
        return 2;
    }
    if (print_log(argv[1], &error))
        return 0;
    fprintf(stderr, "kernel-log: %s\n", error->message);
    return 1;
}
