/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/guest.h"

#include "introspect/condition.h"
#include "patcher/error.h"
#include "vmm/sandbox.h"

typedef enum { TO_LOOK, TO_CHECK, TO_CHANGE, TO_RECOVER } Purpose;

static gboolean
require_running(VmmMachine *machine, GError **error)
{
    g_autofree char *state = NULL;
    gboolean running;

    if (!vmm_machine_is_running(machine, &running, &state, error))
        return FALSE;
    if (!running)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "the guest is not running (state: %s), and whoever stopped it may rely on that; resume it and try "
                    "again. If it was a virt-livepatch that was killed, 'virt-livepatch recover' resumes it", state);
    return running;
}

/* What is to be restored from a file cannot run; but somebody may be at work on it. */
static gboolean
require_ready(VmmMachine *machine, GError **error)
{
    gboolean running;

    return vmm_machine_is_saved(machine) ? vmm_machine_is_running(machine, &running, NULL, error)
                                         : require_running(machine, error);
}

static gboolean
require_fitness(PatchGuest *guest, Purpose purpose, GError **error)
{
    VmmMachine *machine = guest->machine;
    gboolean is_image = vmm_machine_is_image(machine);

    if (purpose == TO_LOOK || (purpose == TO_CHECK && is_image))
        return TRUE;
    if (!is_image && purpose == TO_RECOVER)
        return vmm_machine_claim(machine, error) && vmm_machine_adopt(machine, &guest->left_stopped, error) &&
               (guest->left_stopped || require_ready(machine, error));
    /* Claimed first: a machine that somebody is at work on may stand still for that, and not wait to be resumed. */
    if (!is_image)
        return (purpose != TO_CHANGE || vmm_machine_claim(machine, error)) && require_ready(machine, error);
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_USAGE,
                        "this is a memory image, which can be looked at and checked, but not changed; name the running "
                        "guest, or, if this is what it will be restored from, write saved: instead of core:");
    return FALSE;
}

gboolean
patch_guest_require_alive(const PatchGuest *guest, GError **error)
{
    if (!intro_kernel_has_panicked(guest->kernel))
        return TRUE;
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                        "the guest's kernel has crashed (panic); its tasks and stacks can be looked at, but nothing will "
                        "make it run again");
    return FALSE;
}

static VmmSandbox
sandbox_for(Purpose purpose)
{
    return purpose == TO_LOOK ? VMM_SANDBOX_LOOK : VMM_SANDBOX_CHANGE;
}

static PatchGuest *
reach(const char *name, const char *uri, Purpose purpose, GError **error)
{
    g_autoptr(PatchGuest) guest = g_new0(PatchGuest, 1);

    guest->machine = vmm_machine_open_confined(name, uri, sandbox_for(purpose), error);
    if (!guest->machine || !require_fitness(guest, purpose, error)) {
        g_prefix_error(error, "%s: ", name);
        return NULL;
    }
    return g_steal_pointer(&guest);
}

static gboolean
understand(PatchGuest *guest, const char *name, Purpose purpose, GError **error)
{
    if (vmm_sandbox_enter(sandbox_for(purpose), error))
        guest->kernel = intro_kernel_attach(vmm_machine_reader(guest->machine), error);
    if (guest->kernel && purpose != TO_LOOK && !vmm_machine_is_image(guest->machine)
        && !patch_guest_require_alive(guest, error))
        g_clear_pointer(&guest->kernel, intro_kernel_free);
    if (!guest->kernel)
        g_prefix_error(error, "%s: ", name);
    return guest->kernel != NULL;
}

static PatchGuest *
open_guest(const char *name, const char *uri, Purpose purpose, GError **error)
{
    g_autoptr(PatchGuest) guest = reach(name, uri, purpose, error);

    return guest && understand(guest, name, purpose, error) ? g_steal_pointer(&guest) : NULL;
}

PatchGuest *
patch_guest_reach(const char *name, const char *uri, GError **error)
{
    return reach(name, uri, TO_LOOK, error);
}

gboolean
patch_guest_look(PatchGuest *guest, GError **error)
{
    return understand(guest, vmm_machine_name(guest->machine), TO_LOOK, error);
}

PatchGuest *
patch_guest_open(const char *name, const char *uri, GError **error)
{
    return open_guest(name, uri, TO_LOOK, error);
}

PatchGuest *
patch_guest_open_to_check(const char *name, const char *uri, GError **error)
{
    return open_guest(name, uri, TO_CHECK, error);
}

PatchGuest *
patch_guest_open_running(const char *name, const char *uri, GError **error)
{
    return open_guest(name, uri, TO_CHANGE, error);
}

PatchGuest *
patch_guest_open_to_recover(const char *name, const char *uri, GError **error)
{
    return open_guest(name, uri, TO_RECOVER, error);
}

gboolean
patch_guest_stands_still(const PatchGuest *guest)
{
    return vmm_machine_is_image(guest->machine) || vmm_machine_is_saved(guest->machine);
}

void
patch_guest_free(PatchGuest *guest)
{
    if (!guest)
        return;
    g_clear_pointer(&guest->kernel, intro_kernel_free);
    g_clear_pointer(&guest->machine, vmm_machine_free);
    g_free(guest);
}
