/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/error.h"

#include "introspect/error.h"
#include "vmm/machine.h"

G_DEFINE_QUARK(patch-error-quark, patch_error)

static int
vmm_exit_status(int code)
{
    switch ((VmmError) code) {
    case VMM_ERROR_USAGE:
        return PATCH_EXIT_USAGE;
    case VMM_ERROR_BUSY:
        return PATCH_EXIT_NOT_NOW;
    case VMM_ERROR_UNSUPPORTED:
        return PATCH_EXIT_DOES_NOT_FIT;
    case VMM_ERROR_NOT_FOUND:
    case VMM_ERROR_UNREACHABLE:
    case VMM_ERROR_PROTOCOL:
    case VMM_ERROR_BAD_ADDRESS:
    case VMM_ERROR_LOST:
        break;
    }
    return PATCH_EXIT_FAILED;
}

static int
intro_exit_status(int code)
{
    switch ((IntroError) code) {
    case INTRO_ERROR_BOOTING:
        return PATCH_EXIT_NOT_NOW;
    case INTRO_ERROR_NO_KERNEL:
    case INTRO_ERROR_UNSUPPORTED:
        return PATCH_EXIT_DOES_NOT_FIT;
    case INTRO_ERROR_CORRUPT:
    case INTRO_ERROR_NOT_MAPPED:
    case INTRO_ERROR_NOT_FOUND:
        break;
    }
    return PATCH_EXIT_FAILED;
}

static int
patch_own_exit_status(int code)
{
    switch ((PatchError) code) {
    case PATCH_ERROR_USAGE:
        return PATCH_EXIT_USAGE;
    case PATCH_ERROR_NOT_NOW:
    case PATCH_ERROR_PASSING:
        return PATCH_EXIT_NOT_NOW;
    case PATCH_ERROR_NO_ROOM:
    case PATCH_ERROR_DOES_NOT_FIT:
        return PATCH_EXIT_DOES_NOT_FIT;
    case PATCH_ERROR_NOT_WELL:
        return PATCH_EXIT_NOT_WELL;
    case PATCH_ERROR_FAILED:
        break;
    }
    return PATCH_EXIT_FAILED;
}

int
patch_exit_status(const GError *error)
{
    if (error->domain == PATCH_ERROR)
        return patch_own_exit_status(error->code);
    if (error->domain == INTRO_ERROR)
        return intro_exit_status(error->code);
    if (error->domain == VMM_ERROR)
        return vmm_exit_status(error->code);
    if (error->domain == G_OPTION_ERROR)
        return PATCH_EXIT_USAGE;
    return PATCH_EXIT_FAILED;
}
