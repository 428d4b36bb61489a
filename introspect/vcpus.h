/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the guest's tasks a vCPU is running.
 *
 * Its registers may also be those of something else than the guest's kernel and its programs: of firmware (system management
 * mode), or, while the guest is a host itself, of one of its guests.
 */
#ifndef INTROSPECT_VCPUS_H
#define INTROSPECT_VCPUS_H

#include "introspect/kernel.h"
#include "vmm/vcpu.h"

/* Which of CPUS (of IntroCpu, introspect/stack-facts.h) the vCPU is; NULL if none of them. */
const struct IntroCpu *intro_vcpu_find(GPtrArray *cpus, const VmmVcpu *vcpu);

/* The table below the top one at ROOT that the kernel's image is found through: the same for the kernel and all its programs. FALSE
 * if there is none. */
gboolean intro_vcpu_last_table(const IntroKernel *kernel, GuestPa root, GuestPa *table);

/* Whether the registers are of the kernel and its programs: their page tables have the kernel's own part. A guest of the guest's
 * can have the same numbers by chance; see intro_task_runs_guest(). */
gboolean intro_vcpu_is_own(const IntroKernel *kernel, const VmmVcpu *vcpu);

/* The CPU number that the guest's kernel gives to this vCPU. INTRO_ERROR_NOT_FOUND if it is none of its CPUs: a vCPU that
 * the kernel has not started. */
gboolean intro_vcpu_number(const IntroKernel *kernel, const VmmVcpu *vcpu, guint *cpu, GError **error);

/* The current task of CPU: address of its task_struct. */
gboolean intro_cpu_current_task(const IntroKernel *kernel, guint cpu, GuestVa *task, GError **error);

/* Whether TASK, of the paused guest, is executing a guest of its own: whatever the vCPU's registers say then, they may be that
 * one's. */
gboolean intro_task_runs_guest(const IntroKernel *kernel, GuestVa task, gboolean *runs, GError **error);

#endif
