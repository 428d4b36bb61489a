/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd N: N threads that sleep until they are killed, and take up as little memory as a thread can. Prints how many there
 * are when all are asleep, or will be at once.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All of them use it, or rather none: they never leave the loop, which has no use for a stack. */
static char stack[4096] __attribute__((aligned(16)));

static void
allow(const char *path, int n)
{
    FILE *file = fopen(path, "we");

    if (file != NULL) {
        fprintf(file, "%d\n", n);
        fclose(file);
    }
}

/* The thread must not return from where it was made, since its stack has nothing to return to. */
static long
start_sleeper(void)
{
    const long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    register long tls __asm__("r8") = 0;
    register long child_tid __asm__("r10") = 0;
    long result;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 2f\n"
                     "1:\tmov %[pause], %%eax\n\t"
                     "syscall\n\t"
                     "jmp 1b\n"
                     "2:"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(flags), "S"(stack + sizeof stack), "d"(0), "r"(child_tid), "r"(tls),
                       [pause] "i"(SYS_pause)
                     : "rcx", "r11", "memory");
    return result;
}

int
main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 0, made = 0;

    allow("/proc/sys/kernel/threads-max", 2 * wanted);
    allow("/proc/sys/kernel/pid_max", 4 * wanted + 32768);
    while (made < wanted && start_sleeper() > 0)
        made++;
    printf("%d\n", made);
    fflush(stdout);
    for (;;)
        pause();
}
