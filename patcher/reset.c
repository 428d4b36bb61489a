/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/reset.h"

#include "introspect/error.h"
#include "introspect/vcpus.h"
#include "patcher/error.h"

gboolean
patch_reset_set_error(GError **error)
{
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                        "the guest has been reset meanwhile: nothing is installed in it any more");
    return FALSE;
}

gboolean
patch_reset_runs_kernel(const PatchGuest *guest, const VmmPause *pause)
{
    guint n_vcpus, cpu;
    const VmmVcpu *vcpus = vmm_pause_vcpus(pause, &n_vcpus);

    for (guint i = 0; i < n_vcpus; i++)
        if (intro_vcpu_is_own(guest->kernel, &vcpus[i]) && intro_vcpu_number(guest->kernel, &vcpus[i], &cpu, NULL))
            return TRUE;
    return FALSE;
}

/* Where a kernel starts from its beginning, there is none yet, or it is booting, or it has got another place. */
static gboolean
was_reset(const PatchGuest *guest)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(IntroKernel) now = intro_kernel_attach(vmm_machine_reader(guest->machine), &error);

    if (now)
        return intro_kernel_text_start(now) != intro_kernel_text_start(guest->kernel);
    return g_error_matches(error, INTRO_ERROR, INTRO_ERROR_NO_KERNEL) ||
           g_error_matches(error, INTRO_ERROR, INTRO_ERROR_BOOTING);
}

void
patch_reset_explain(const PatchGuest *guest, GError **failure)
{
    if (vmm_machine_is_image(guest->machine) || vmm_machine_is_saved(guest->machine) || !was_reset(guest))
        return;
    g_clear_error(failure);
    patch_reset_set_error(failure);
}
