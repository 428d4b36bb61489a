/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What processor a vCPU shows to be: all that KVM supports, less what was asked to be left out.
 */
#ifndef VMM_KVM_CPUID_H
#define VMM_KVM_CPUID_H

#include <glib.h>

/* WITHOUT: features by comma, or NULL. Errors: USAGE (an unknown feature), UNSUPPORTED. */
gboolean vmm_cpuid_set(int kvm_fd, int vcpu_fd, guint index, guint n_vcpus, const char *without, GError **error);

#endif
