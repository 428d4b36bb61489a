/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-fault.h"

#include <capstone/capstone.h>
#include <string.h>
#include <sys/ioctl.h>

#define PAGE_BYTES 4096
#define MAX_INSTRUCTION_BYTES 15

#define FLAG_TF (1ULL << 8)
#define FLAG_IF (1ULL << 9)
#define FLAG_NT (1ULL << 14)
#define FLAG_RF (1ULL << 16)
#define FLAG_VM (1ULL << 17)
#define FLAG_AC (1ULL << 18)

#define VECTOR_BREAKPOINT 3
#define VECTOR_INVALID_OPCODE 6
#define GATE_INTERRUPT 0xe
#define GATE_TRAP 0xf
#define TSS_RSP0 4
#define TSS_IST1 0x24
#define CODE_SEGMENT_TYPE 0xb

typedef struct {
    guint16 offset_low, selector;
    guint8 ist, attributes;
    guint16 offset_middle;
    guint32 offset_high, reserved;
} Gate;

typedef struct {
    VmmVm *vm;
    int fd;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
} Context;

/* Guest-virtual memory, for reading and writing, within one page; NULL if it is not mapped. */
static guint8 *
reach(const Context *context, guint64 va, gsize length)
{
    struct kvm_translation translation = { .linear_address = va };

    if ((va & (PAGE_BYTES - 1)) + length > PAGE_BYTES || ioctl(context->fd, KVM_TRANSLATE, &translation) != 0
        || !translation.valid)
        return NULL;
    return vmm_vm_bytes(context->vm, translation.physical_address, length);
}

static gboolean
copy_from_guest(const Context *context, guint64 va, void *buffer, gsize length)
{
    for (gsize done = 0; done < length;) {
        gsize piece = MIN(length - done, PAGE_BYTES - ((va + done) & (PAGE_BYTES - 1)));
        const guint8 *bytes = reach(context, va + done, piece);

        if (bytes == NULL)
            return FALSE;
        memcpy((guint8 *)buffer + done, bytes, piece);
        done += piece;
    }
    return TRUE;
}

static gboolean
find_stack(const Context *context, const Gate *gate, gboolean from_user, guint64 *rsp)
{
    guint64 tss = context->sregs.tr.base;

    *rsp = context->regs.rsp;
    if ((gate->ist & 7) != 0)
        return copy_from_guest(context, tss + TSS_IST1 + 8 * ((gate->ist & 7) - 1), rsp, sizeof *rsp);
    return !from_user || copy_from_guest(context, tss + TSS_RSP0, rsp, sizeof *rsp);
}

static gboolean
push_frame(const Context *context, guint64 next_rip, guint64 *rsp)
{
    const guint64 frame[] = {
        next_rip, context->sregs.cs.selector, context->regs.rflags, context->regs.rsp, context->sregs.ss.selector,
    };

    *rsp = (*rsp & ~15ULL) - sizeof frame;
    for (gsize i = 0; i < G_N_ELEMENTS(frame); i++) {
        guint8 *slot = reach(context, *rsp + 8 * i, sizeof frame[i]);

        if (slot == NULL)
            return FALSE;
        memcpy(slot, &frame[i], sizeof frame[i]);
    }
    return TRUE;
}

static void
enter_handler(Context *context, const Gate *gate, guint64 rsp, gboolean from_user)
{
    struct kvm_segment *cs = &context->sregs.cs, *ss = &context->sregs.ss;

    *cs = (struct kvm_segment) {
        .selector = gate->selector & ~3, .limit = 0xffffffff, .type = CODE_SEGMENT_TYPE, .present = 1, .s = 1, .l = 1,
        .g = 1,
    };
    if (from_user) {
        ss->selector = 0;
        ss->dpl = 0;
    }
    context->regs.rip =
        gate->offset_low | (guint64)gate->offset_middle << 16 | (guint64)gate->offset_high << 32;
    context->regs.rsp = rsp;
    context->regs.rflags &= ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
    if ((gate->attributes & 0xf) == GATE_INTERRUPT)
        context->regs.rflags &= ~FLAG_IF;
}

static gboolean
is_from_user(const Context *context)
{
    return (context->sregs.cs.selector & 3) != 0;
}

/* IS_ASKED_FOR: by an instruction, which the gate has to let those of its privilege do. */
static gboolean
deliver(Context *context, guint vector, gboolean is_asked_for, guint64 next_rip)
{
    gboolean from_user = is_from_user(context);
    guint64 rsp;
    Gate gate;

    if ((context->sregs.efer & VMM_EFER_LMA) == 0 || 16 * vector + 15 > context->sregs.idt.limit
        || !copy_from_guest(context, context->sregs.idt.base + 16 * vector, &gate, sizeof gate))
        return FALSE;
    if ((gate.attributes & 0x80) == 0 || ((gate.attributes & 0xf) != GATE_INTERRUPT
                                          && (gate.attributes & 0xf) != GATE_TRAP)
        || (is_asked_for && ((gate.attributes >> 5) & 3) < (context->sregs.cs.selector & 3)))
        return FALSE;
    if (!find_stack(context, &gate, from_user, &rsp) || !push_frame(context, next_rip, &rsp))
        return FALSE;
    enter_handler(context, &gate, rsp, from_user);
    return ioctl(context->fd, KVM_SET_SREGS, &context->sregs) == 0
           && ioctl(context->fd, KVM_SET_REGS, &context->regs) == 0;
}

static gboolean
go_on(Context *context, guint64 next_rip)
{
    context->regs.rip = next_rip;
    return ioctl(context->fd, KVM_SET_REGS, &context->regs) == 0;
}

static gboolean
allow_user_access(Context *context, gboolean allow, guint64 next_rip)
{
    context->regs.rflags = allow ? context->regs.rflags | FLAG_AC : context->regs.rflags & ~FLAG_AC;
    return go_on(context, next_rip);
}

/* The interrupt that INSTRUCTION raises, or -1. */
static int
vector_of(const cs_insn *instruction)
{
    switch (instruction->id) {
    case X86_INS_INT3:
        return VECTOR_BREAKPOINT;
    case X86_INS_INT:
        return instruction->detail->x86.operands[0].imm & 0xff;
    default:
        return -1;
    }
}

static gboolean
complete(Context *context, csh decoder, char **what)
{
    guint8 bytes[MAX_INSTRUCTION_BYTES];
    gsize length = sizeof bytes;
    cs_insn *instruction = NULL;
    gboolean done = FALSE;
    guint64 next_rip;
    int vector;

    while (length > 0 && !copy_from_guest(context, context->regs.rip, bytes, length))
        length--;       /* the instruction may be the last one before a page that is not there */
    if (cs_disasm(decoder, bytes, length, context->regs.rip, 1, &instruction) != 1) {
        if (is_from_user(context) && deliver(context, VECTOR_INVALID_OPCODE, FALSE, context->regs.rip))
            return TRUE;
        *what = g_strdup("KVM cannot emulate an instruction that cannot be decoded");
        return FALSE;
    }
    next_rip = context->regs.rip + instruction->size;
    vector = vector_of(instruction);
    if (instruction->id == X86_INS_WAIT)        /* for the x87's exceptions, of which none can be pending in a kernel */
        done = !is_from_user(context) && go_on(context, next_rip);
    else if (instruction->id == X86_INS_CLAC || instruction->id == X86_INS_STAC)
        done = !is_from_user(context)
               && allow_user_access(context, instruction->id == X86_INS_STAC, next_rip);
    else
        done = vector >= 0 && deliver(context, vector, TRUE, next_rip);
    if (!done && is_from_user(context))     /* a program's fault is not the machine's */
        done = deliver(context, VECTOR_INVALID_OPCODE, FALSE, context->regs.rip);
    if (!done)
        *what = g_strdup_printf("KVM cannot emulate '%s %s'", instruction->mnemonic, instruction->op_str);
    cs_free(instruction, 1);
    return done;
}

gboolean
vmm_fault_complete(VmmVm *vm, int vcpu_fd, char **what)
{
    Context context = { .vm = vm, .fd = vcpu_fd };
    gboolean done = FALSE;
    csh decoder;

    if (ioctl(vcpu_fd, KVM_GET_REGS, &context.regs) != 0 || ioctl(vcpu_fd, KVM_GET_SREGS, &context.sregs) != 0
        || cs_open(CS_ARCH_X86, CS_MODE_64, &decoder) != CS_ERR_OK)
        return FALSE;
    if (cs_option(decoder, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
        done = complete(&context, decoder, what);
    cs_close(&decoder);
    return done;
}
