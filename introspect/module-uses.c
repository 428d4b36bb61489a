/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/module-uses.h"

/* Beyond any real guest. */
#define MAX_USES 4096

gboolean
intro_module_uses(const IntroKernel *kernel, const IntroModule *user, const IntroModule *used, gboolean *uses,
                  GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    const IntroSpace *space = intro_kernel_space(kernel);
    gsize list, next, target;
    GuestVa link, module;

    *uses = TRUE;
    if (!intro_btf_has_member(btf, "module", "target_list"))
        return TRUE;
    if (!intro_btf_offset(btf, "module", "target_list.next", &list, error)
        || !intro_btf_offset(btf, "module_use", "target_list.next", &next, error)
        || !intro_btf_offset(btf, "module_use", "target", &target, error)
        || !intro_space_read_u64(space, user->module + list, &link, error))
        return FALSE;
    for (guint i = 0; i < MAX_USES && link != user->module + list; i++) {
        if (!intro_space_read_u64(space, link - next + target, &module, error))
            return FALSE;
        if (module == used->module)
            return TRUE;
        if (!intro_space_read_u64(space, link, &link, error))
            return FALSE;
    }
    *uses = FALSE;
    return TRUE;
}
