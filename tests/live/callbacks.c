/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * callbacks GUEST: what the guest's kernel is to call later, at one moment, a line each: kind and function. And of which kinds
 * it does not tell: "unknown: timers"; and whether it does not tell where its variables are: "unknown: variables".
 */
#include <stdio.h>

#include "introspect/callbacks.h"
#include "introspect/references.h"

static gboolean
takes_any(GuestVa function, gconstpointer data)
{
    return TRUE;
}

static gboolean
print_found(VmmMachine *machine, const IntroKernel *kernel, const IntroCallbacks *callbacks, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroCallback));
    g_autoptr(VmmPause) pause = vmm_pause_begin(machine, error);
    gboolean in_motion, read;

    if (pause == NULL)
        return FALSE;
    read = intro_callbacks_find(callbacks, takes_any, NULL, found, &in_motion, error);
    if (!vmm_pause_end(g_steal_pointer(&pause), NULL, read ? error : NULL) || !read)
        return FALSE;
    for (guint i = 0; i < found->len; i++) {
        const IntroCallback *callback = &g_array_index(found, IntroCallback, i);
        g_autofree char *function = intro_kernel_describe(kernel, callback->function, FALSE);

        printf("%s: %s\n", callback->kind, function);
    }
    return TRUE;
}

static gboolean
print_callbacks(const char *name, GError **error)
{
    g_autoptr(VmmMachine) machine = vmm_machine_open(name, NULL, error);
    g_autoptr(IntroKernel) kernel = machine != NULL ? intro_kernel_attach(vmm_machine_reader(machine), error) : NULL;
    g_autoptr(IntroCallbacks) callbacks = kernel != NULL ? intro_callbacks_new(kernel) : NULL;

    if (callbacks == NULL)
        return FALSE;
    for (guint i = 0; i < intro_callbacks_unknown(callbacks)->len; i++)
        printf("unknown: %s\n", (const char *)intro_callbacks_unknown(callbacks)->pdata[i]);
    if (!intro_references_are_known(kernel, NULL))
        printf("unknown: variables\n");
    return print_found(machine, kernel, callbacks, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: callbacks GUEST\n");
        return 2;
    }
    if (print_callbacks(argv[1], &error))
        return 0;
    fprintf(stderr, "callbacks: %s\n", error->message);
    return 1;
}
