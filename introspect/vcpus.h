/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the guest's tasks a vCPU is running.
 */
#ifndef INTROSPECT_VCPUS_H
#define INTROSPECT_VCPUS_H

#include "introspect/kernel.h"
#include "vmm/vcpu.h"

/* Which of CPUS (of IntroCpu, introspect/stack-facts.h) the vCPU is; NULL if none of them. */
const struct IntroCpu *intro_vcpu_find(GPtrArray *cpus, const VmmVcpu *vcpu);

/* The CPU number that the guest's kernel gives to this vCPU. INTRO_ERROR_NOT_FOUND if it is none of its CPUs: a vCPU that
 * the kernel has not started. */
gboolean intro_vcpu_number(const IntroKernel *kernel, const VmmVcpu *vcpu, guint *cpu, GError **error);

/* The current task of CPU: address of its task_struct. */
gboolean intro_cpu_current_task(const IntroKernel *kernel, guint cpu, GuestVa *task, GError **error);

#endif
