/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow variables for a kernel that has none: included at the end of one of the C files that use them. They do what
 * Documentation/livepatch/shadow-vars.rst says of the kernel's.
 *
 * The update holds nothing but the heads of singly linked lists, so that another one can take all of them over with those.
 */
#ifndef VIRT_LIVEPATCH_SHADOW_H
#define VIRT_LIVEPATCH_SHADOW_H

#include <linux/bug.h>
#include <linux/hash.h>
#include <linux/livepatch.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <virt-livepatch.h>

#define VIRT_LIVEPATCH_SHADOW_BITS 10

struct virt_livepatch_shadow {
	struct virt_livepatch_shadow *next;	/* read under RCU, changed under the lock */
	struct rcu_head rcu;
	void *obj;
	unsigned long id;
	unsigned long data[];
};

static struct virt_livepatch_shadow *virt_livepatch_shadow_heads[1 << VIRT_LIVEPATCH_SHADOW_BITS];
static DEFINE_SPINLOCK(virt_livepatch_shadow_lock);

static struct virt_livepatch_shadow **virt_livepatch_shadow_head(void *obj)
{
	return &virt_livepatch_shadow_heads[hash_ptr(obj, VIRT_LIVEPATCH_SHADOW_BITS)];
}

static bool virt_livepatch_shadow_is(const struct virt_livepatch_shadow *shadow, void *obj, unsigned long id)
{
	return shadow->obj == obj && shadow->id == id;
}

void *klp_shadow_get(void *obj, unsigned long id)
{
	struct virt_livepatch_shadow *shadow;

	rcu_read_lock();
	shadow = READ_ONCE(*virt_livepatch_shadow_head(obj));
	while (shadow && !virt_livepatch_shadow_is(shadow, obj, id))
		shadow = READ_ONCE(shadow->next);
	rcu_read_unlock();
	return shadow ? shadow->data : NULL;
}

/* Under the lock. NULL: the constructor has refused. */
static void *virt_livepatch_shadow_add(struct virt_livepatch_shadow *shadow, klp_shadow_ctor_t ctor, void *ctor_data)
{
	struct virt_livepatch_shadow **head = virt_livepatch_shadow_head(shadow->obj);
	int err = ctor ? ctor(shadow->obj, shadow->data, ctor_data) : 0;

	if (err) {
		printk(KERN_ERR "virt-livepatch: shadow variable %lx of %p was not constructed (%d)\n", shadow->id, shadow->obj,
		       err);
		return NULL;
	}
	shadow->next = *head;
	smp_store_release(head, shadow);
	return shadow->data;
}

/* The one that is there, or else a new one; *IS_NEW tells. */
static void *virt_livepatch_shadow_make(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, klp_shadow_ctor_t ctor,
					void *ctor_data, bool *is_new)
{
	struct virt_livepatch_shadow *shadow;
	unsigned long flags;
	void *data = klp_shadow_get(obj, id);

	*is_new = !data;
	if (data || size > SIZE_MAX - sizeof(*shadow))
		return data;
	shadow = kzalloc(sizeof(*shadow) + size, gfp_flags);
	if (!shadow)
		return NULL;
	shadow->obj = obj;
	shadow->id = id;
	spin_lock_irqsave(&virt_livepatch_shadow_lock, flags);
	data = klp_shadow_get(obj, id);
	*is_new = !data;
	if (!data)
		data = virt_livepatch_shadow_add(shadow, ctor, ctor_data);
	spin_unlock_irqrestore(&virt_livepatch_shadow_lock, flags);
	if (data != shadow->data)
		kfree(shadow);
	return data;
}

void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool is_new;
	void *data = virt_livepatch_shadow_make(obj, id, size, gfp_flags, ctor, ctor_data, &is_new);

	return WARN(!is_new, "there is a shadow variable %lx of %p already\n", id, obj) ? NULL : data;
}

void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, klp_shadow_ctor_t ctor,
			      void *ctor_data)
{
	bool is_new;

	return virt_livepatch_shadow_make(obj, id, size, gfp_flags, ctor, ctor_data, &is_new);
}

/* Under the lock: takes out what LINK leads to. */
static void virt_livepatch_shadow_drop(struct virt_livepatch_shadow **link, klp_shadow_dtor_t dtor)
{
	struct virt_livepatch_shadow *shadow = *link;

	WRITE_ONCE(*link, shadow->next);
	if (dtor)
		dtor(shadow->obj, shadow->data);
	kfree_rcu(shadow, rcu);
}

void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct virt_livepatch_shadow **link;
	unsigned long flags;

	spin_lock_irqsave(&virt_livepatch_shadow_lock, flags);
	link = virt_livepatch_shadow_head(obj);
	while (*link && !virt_livepatch_shadow_is(*link, obj, id))
		link = &(*link)->next;
	if (*link)
		virt_livepatch_shadow_drop(link, dtor);
	spin_unlock_irqrestore(&virt_livepatch_shadow_lock, flags);
}

void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct virt_livepatch_shadow **link;
	unsigned long flags;
	size_t i;

	spin_lock_irqsave(&virt_livepatch_shadow_lock, flags);
	for (i = 0; i < ARRAY_SIZE(virt_livepatch_shadow_heads); i++)
		for (link = &virt_livepatch_shadow_heads[i]; *link;)
			if ((*link)->id == id)
				virt_livepatch_shadow_drop(link, dtor);
			else
				link = &(*link)->next;
	spin_unlock_irqrestore(&virt_livepatch_shadow_lock, flags);
}

/* When nothing calls the update any more, and all hooks have been called. */
static int virt_livepatch_shadow_release(void)
{
	unsigned long n = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(virt_livepatch_shadow_heads); i++) {
		struct virt_livepatch_shadow *shadow = virt_livepatch_shadow_heads[i], *next;

		for (; shadow; shadow = next, n++) {
			next = shadow->next;
			kfree(shadow);
		}
		virt_livepatch_shadow_heads[i] = NULL;
	}
	if (n)
		printk(KERN_NOTICE "virt-livepatch: %lu shadow variables that an update had left have been freed\n", n);
	return 0;
}
virt_livepatch_hook(4, release, virt_livepatch_shadow_release, 60);

#endif
