/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm-probe: exits with 0 if /dev/kvm runs guest code at the speed of hardware, with 1 if there is none or if it is
 * emulated, as in some virtual machines. It times a short loop in a virtual machine of one page: two instructions, 50000
 * times, is about 50 us on hardware and 60 ms where a million or two instructions a second are emulated.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define ROUNDS 50000
#define MAX_HARDWARE_MS 10
#define TRIES 3         /* the best counts: the host may be busy */
#define PAGE 4096

static const uint8_t code[] = {
    0xb9, ROUNDS & 0xff, ROUNDS >> 8,   /* mov cx, ROUNDS */
    0x49,                               /* dec cx */
    0x75, 0xfd,                         /* jnz to the dec */
    0xf4,                               /* hlt */
};

static double
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* A vCPU in real mode, whose memory is one page with the code; -1 if that cannot be had. *RUN is its shared page. */
static int
make_vcpu(struct kvm_run **run)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    int run_bytes = kvm < 0 ? -1 : ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    int vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
    uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = { .memory_size = PAGE, .userspace_addr = (uintptr_t) page };

    if (vcpu < 0 || run_bytes < 0 || page == MAP_FAILED)
        return -1;
    memcpy(page, code, sizeof(code));
    *run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    return *run == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ? -1 : vcpu;
}

/* Runs the loop once; returns the time it took, or a negative number if it failed. */
static double
time_loop(int vcpu, const struct kvm_run *run)
{
    struct kvm_regs regs = { .rip = 0, .rflags = 2 };
    struct kvm_sregs sregs;
    double start;

    if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
        return -1;
    sregs.cs.base = sregs.cs.selector = 0;
    if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
        return -1;
    start = now_ms();
    if (ioctl(vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_HLT)
        return -1;
    return now_ms() - start;
}

int
main(void)
{
    struct kvm_run *run;
    int vcpu = make_vcpu(&run);

    if (vcpu < 0) {
        puts("no KVM");
        return 1;
    }
    for (int i = 0; i < TRIES; i++) {
        double ms = time_loop(vcpu, run);
        printf("%d instructions in %.3f ms\n", 2 * ROUNDS, ms);
        if (ms >= 0 && ms < MAX_HARDWARE_MS)
            return 0;
    }
    return 1;
}
