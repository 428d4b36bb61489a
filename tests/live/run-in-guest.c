/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls a function of a guest's kernel, and prints what it returns and how often the guest was stopped for it.
 *
 *   run-in-guest GUEST SECONDS FUNCTION [ARGUMENT...]    an argument is a number, or a text, if it begins with '='
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "patcher/runner.h"

int
main(int argc, char **argv)
{
    PatchCall call = { .bytes_argument = -1 };
    PatchPauses pauses = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchGuest) guest = argc >= 4 ? patch_guest_open_running(argv[1], NULL, &error) : NULL;
    guint64 result = 0;

    if (argc < 4 || argc > 4 + PATCH_RUNNER_ARGUMENTS_N)
        return PATCH_EXIT_USAGE;
    call.name = argv[3];
    call.limit_s = strtod(argv[2], NULL);
    for (int i = 4; i < argc; i++)
        if (*argv[i] == '=') {
            call.bytes = g_bytes_new(argv[i] + 1, strlen(argv[i]));
            call.bytes_argument = i - 4;
        } else {
            call.arguments[i - 4] = strtoull(argv[i], NULL, 0);
        }
    if (guest && intro_symbols_address(intro_kernel_symbols(guest->kernel), call.name, &call.function, &error) &&
        patch_runner_call(guest, "aaaaaaaa", &call, &pauses, &result, &error))
        printf("%#" G_GINT64_MODIFIER "x after %u stops, %.2f ms at most\n", result, pauses.n, pauses.longest_ns / 1e6);
    if (error)
        fprintf(stderr, "run-in-guest: %s\n", error->message);
    return error ? patch_exit_status(error) : PATCH_EXIT_DONE;
}
