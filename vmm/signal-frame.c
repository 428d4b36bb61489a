/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/signal-frame.h"

#include <errno.h>
#include <string.h>

/* include/linux/errno.h: only seen by tracers. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* arch/x86/include/uapi/asm/{ucontext,sigcontext}.h */
#define UC_FLAGS 7              /* floating-point state is there, and SS counts */
#define XSTATE_MAGIC1 0x46505853U
#define XSTATE_MAGIC2 0x46505845U
#define XSTATE_SOFTWARE 464     /* where in it software's own bytes are */

typedef struct {
    guint32 magic1, extended_bytes;
    guint64 features;
    guint32 xstate_bytes, padding[7];
} XstateSoftware;

struct user_regs_struct
vmm_signal_resumed(const struct user_regs_struct *registers)
{
    struct user_regs_struct on = *registers;

    if ((long)registers->orig_rax < 0)
        return on;
    switch (-(long)registers->rax) {
    case ERESTARTSYS:
    case ERESTARTNOINTR:
    case ERESTARTNOHAND:
        on.rax = registers->orig_rax;
        on.rip -= 2;            /* of the syscall instruction */
        break;
    case ERESTART_RESTARTBLOCK:
        on.rax = -EINTR;
        break;
    }
    return on;
}

gsize
vmm_signal_mark_xstate(guint8 *xstate, gsize length)
{
    XstateSoftware software = { .magic1 = XSTATE_MAGIC1, .extended_bytes = length + 4, .xstate_bytes = length };
    const guint32 magic2 = XSTATE_MAGIC2;

    /* Where ptrace has the mask of what it holds. */
    memcpy(&software.features, xstate + XSTATE_SOFTWARE, sizeof software.features);
    memcpy(xstate + XSTATE_SOFTWARE, &software, sizeof software);
    memcpy(xstate + length, &magic2, sizeof magic2);
    return length + sizeof magic2;
}

static void
fill_registers(const struct user_regs_struct *from, greg_t *to)
{
    const guint16 segments[4] = { from->cs, from->gs, from->fs, from->ss };

    to[REG_R8] = from->r8;
    to[REG_R9] = from->r9;
    to[REG_R10] = from->r10;
    to[REG_R11] = from->r11;
    to[REG_R12] = from->r12;
    to[REG_R13] = from->r13;
    to[REG_R14] = from->r14;
    to[REG_R15] = from->r15;
    to[REG_RDI] = from->rdi;
    to[REG_RSI] = from->rsi;
    to[REG_RBP] = from->rbp;
    to[REG_RBX] = from->rbx;
    to[REG_RDX] = from->rdx;
    to[REG_RAX] = from->rax;
    to[REG_RCX] = from->rcx;
    to[REG_RSP] = from->rsp;
    to[REG_RIP] = from->rip;
    to[REG_EFL] = from->eflags;
    memcpy(&to[REG_CSGSFS], segments, sizeof segments);
}

VmmSignalFrame
vmm_signal_frame(const struct user_regs_struct *registers, guint64 mask, guint64 xstate_at, guint64 restorer)
{
    VmmSignalFrame frame = { .restorer = restorer, .context = { .uc_flags = UC_FLAGS } };

    fill_registers(registers, frame.context.uc_mcontext.gregs);
    frame.context.uc_mcontext.fpregs = GSIZE_TO_POINTER(xstate_at);
    memcpy(&frame.context.uc_sigmask, &mask, sizeof mask);
    return frame;
}
