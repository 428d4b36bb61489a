/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nested real|long: a machine of KVM's with one vCPU that does nothing but jump where it is, in real mode with a code segment that
 * has the number of one of user mode's, or in the kernel mode of 64 bits. Says so once it does, and goes on until it is killed.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEMORY_BYTES    0x10000
#define TOP_TABLE       0x1000
#define TABLE           0x2000
#define CODE            0x3000
#define REAL_SELECTOR   3
#define LONG_SELECTOR   8
#define PORT            0x10
#define CR0_PE          (1 << 0)
#define CR0_PG          (1u << 31)
#define CR4_PAE         (1 << 5)
#define EFER_LONG       (1 << 8 | 1 << 10)
#define ENTRY           3       /* present, writable */
#define LARGE_ENTRY     (ENTRY | 1 << 7)
#define MAX_FEATURES    256

static int
call(int fd, unsigned long request, void *argument, const char *what)
{
    int result = ioctl(fd, request, argument);

    if (result < 0)
        err(1, "%s", what);
    return result;
}

/* Tells that it is there, and then stays. */
static const uint8_t code[] = { 0xe6, PORT, 0xeb, 0xfe };      /* out %al,$PORT; 1: jmp 1b */

static void
set_mode(struct kvm_sregs *sregs, int is_long, uint8_t *memory)
{
    sregs->cs.selector = is_long ? LONG_SELECTOR : REAL_SELECTOR;
    sregs->cs.base = is_long ? 0 : REAL_SELECTOR << 4;
    if (!is_long)
        return;
    *(uint64_t *) (memory + TOP_TABLE) = TABLE | ENTRY;
    *(uint64_t *) (memory + TABLE) = LARGE_ENTRY;
    sregs->cs = (struct kvm_segment) { .selector = LONG_SELECTOR, .limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
    sregs->cr3 = TOP_TABLE;
    sregs->cr4 |= CR4_PAE;
    sregs->cr0 |= CR0_PE | CR0_PG;
    sregs->efer |= EFER_LONG;
}

/* Later kernels allow no mode that the vCPU is not said to have. */
static void
set_features(int kvm, int vcpu)
{
    struct kvm_cpuid2 *features = calloc(1, sizeof *features + MAX_FEATURES * sizeof features->entries[0]);

    if (features == NULL)
        err(1, "features");
    features->nent = MAX_FEATURES;
    call(kvm, KVM_GET_SUPPORTED_CPUID, features, "KVM_GET_SUPPORTED_CPUID");
    call(vcpu, KVM_SET_CPUID2, features, "KVM_SET_CPUID2");
    free(features);
}

int
main(int argc, char **argv)
{
    int is_long = argc == 2 && strcmp(argv[1], "long") == 0, kvm, machine, vcpu, run_bytes;
    uint8_t *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = { .memory_size = MEMORY_BYTES, .userspace_addr = (uintptr_t) memory };
    struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
    struct kvm_sregs sregs;
    struct kvm_run *run;

    if (argc != 2 || (!is_long && strcmp(argv[1], "real") != 0))
        errx(2, "usage: nested real|long");
    kvm = open("/dev/kvm", O_RDWR);
    if (kvm < 0 || memory == MAP_FAILED)
        err(1, "/dev/kvm");
    machine = call(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
    call(machine, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
    vcpu = call(machine, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
    run_bytes = call(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
    run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        err(1, "struct kvm_run");
    memcpy(memory + CODE, code, sizeof code);
    set_features(kvm, vcpu);
    call(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
    set_mode(&sregs, is_long, memory);
    regs.rip -= sregs.cs.base;
    call(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
    call(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
    for (;;) {
        call(vcpu, KVM_RUN, NULL, "KVM_RUN");
        if (run->exit_reason != KVM_EXIT_IO)
            errx(1, "its vCPU has stopped for the reason %u", run->exit_reason);
        puts("it runs");
        fflush(stdout);
    }
}
