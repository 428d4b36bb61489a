/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which kernel it is, where its page tables lead, its per-CPU areas and its holes, in a real guest's damaged memory; and
 * ELF notes that are wholly the input's.
 */
#include "introspect/identity.h"
#include "introspect/locate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recorded.h"

static void
look(const VmmReader *reader, const IntroKernel *kernel)
{
    g_autoptr(IntroImage) image = intro_image_locate(reader, NULL);
    g_autoptr(GArray) holes = intro_kernel_holes(kernel, NULL);
    IntroIdentity identity = { 0 };
    gboolean has;

    intro_identity_read(intro_kernel_space(kernel), intro_kernel_symbols(kernel), intro_kernel_btf(kernel), &identity,
                        NULL);
    intro_identity_clear(&identity);
    for (guint cpu = 0; cpu < intro_kernel_n_cpus(kernel); cpu++) {
        GuestVa va;

        intro_kernel_percpu(kernel, cpu, "runqueues", &va, NULL);
        intro_kernel_has_cpu_feature(kernel, cpu, &has, NULL);
    }
}

void
fuzz(const guint8 *data, gsize size)
{
    g_autofree char *build_id = intro_identity_find_build_id(data, size);

    recorded_fuzz(look, data, size);
}
