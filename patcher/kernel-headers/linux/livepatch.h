/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In front of the kernel's own <linux/livepatch.h>: the shadow variables of a kernel that has none (CONFIG_LIVEPATCH is off)
 * are declared as in one that has. virt-livepatch-shadow.h has them.
 */
#ifndef VIRT_LIVEPATCH_LINUX_LIVEPATCH_H
#define VIRT_LIVEPATCH_LINUX_LIVEPATCH_H

#include_next <linux/livepatch.h>

#ifndef CONFIG_LIVEPATCH

#include <linux/types.h>

typedef int (*klp_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);
typedef void (*klp_shadow_dtor_t)(void *obj, void *shadow_data);

void *klp_shadow_get(void *obj, unsigned long id);
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, klp_shadow_ctor_t ctor, void *ctor_data);
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, klp_shadow_ctor_t ctor,
			      void *ctor_data);
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);

#endif

#endif
