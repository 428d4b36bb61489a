/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/vmm/firecracker-writer.h"

#include <linux/kvm.h>
#include <string.h>

#define MSR_TSC 0x10
#define MSR_KERNEL_GS_BASE 0xc0000102

static void
put(GByteArray *out, const void *data, gsize length)
{
    g_byte_array_append(out, data, length);
}

static void
put_u8(GByteArray *out, guint8 value)
{
    put(out, &value, 1);
}

static void
put_u32(GByteArray *out, guint32 value)
{
    put(out, &value, sizeof value);
}

static void
put_u64(GByteArray *out, guint64 value)
{
    put(out, &value, sizeof value);
}

static void
put_bytes(GByteArray *out, const void *data, gsize length)
{
    put_u64(out, length);
    put(out, data, length);
}

static void
put_zeros(GByteArray *out, gsize length)
{
    g_autofree guint8 *zeros = g_malloc0(length);

    put_bytes(out, zeros, length);
}

static void
put_string(GByteArray *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

static void
put_machine(GByteArray *out)
{
    put_u64(out, 128);
    put_u8(out, 0);
    put_u32(out, 3);
    put_string(out, "/kernels/vmlinux.bin");
    put_u8(out, 0);
    put_u8(out, 1);
    put_string(out, "console=ttyS0 reboot=k panic=1");
    put_u32(out, 0);
    put_u64(out, 2);
    put_string(out, "!56");
    put_string(out, "171");
}

static void
put_regions(GByteArray *out, const FirecrackerState *state)
{
    put_u64(out, state->n_ranges);
    for (guint i = 0; i < state->n_ranges; i++) {
        put_u64(out, state->ranges[i].start.value);
        put_u64(out, state->ranges[i].length);
        if (state->release < 14)
            continue;
        put_u32(out, state->is_pluggable && i + 1 == state->n_ranges);
        put_u64(out, 1);
        put_u8(out, 1);
    }
}

static void
put_leaf(GByteArray *out, guint64 start, guint64 end, guint32 is_allocated, guint64 height)
{
    put_u64(out, start);
    put_u64(out, end);
    put_u32(out, is_allocated);
    put_u8(out, 0);
    put_u8(out, 0);
    put_u64(out, height);
}

/* One piece of it is taken. */
static void
put_address_space(GByteArray *out, guint64 start, guint64 end)
{
    put_u64(out, start);
    put_u64(out, end);
    put_u8(out, 1);
    put_u64(out, start);
    put_u64(out, start + 0xfff);
    put_u32(out, 1);
    put_u8(out, 0);
    put_u8(out, 1);
    put_leaf(out, start + 0x1000, end, 0, 1);
    put_u64(out, 2);
}

static void
put_allocators(GByteArray *out, const FirecrackerState *state)
{
    if (state->release < 13)
        return;
    put_u32(out, 5);
    put_u8(out, 1);
    put_u32(out, 7);
    put_u32(out, 23);
    put_u64(out, 1);
    put_u32(out, 6);
    put_u32(out, 24);
    put_u8(out, 0);
    put_u32(out, 4095);
    put_u64(out, 0);
    for (guint i = 0; i < (state->release < 14 ? 4 : 5); i++)
        put_address_space(out, 0xc0000000ULL + ((guint64)i << 32), 0xefffffffULL + ((guint64)i << 32));
}

static void
put_msr(GByteArray *out, guint32 index, guint64 value)
{
    const struct kvm_msr_entry entry = { .index = index, .data = value };

    put_bytes(out, &entry, sizeof entry);
}

static void
put_msrs(GByteArray *out, const VmmVcpu *vcpu)
{
    put_u64(out, 2);
    put_zeros(out, 8);
    put_u64(out, 1);
    put_msr(out, MSR_TSC, 12345);
    put_zeros(out, 8);
    put_u64(out, 2);
    put_msr(out, 0x174, 16);
    put_msr(out, MSR_KERNEL_GS_BASE, vcpu->kernel_gs_base);
}

static struct kvm_regs
general_registers(const VmmVcpu *vcpu)
{
    const guint64 *gpr = vcpu->gpr;

    return (struct kvm_regs) {
        .rax = gpr[VMM_RAX], .rbx = gpr[VMM_RBX], .rcx = gpr[VMM_RCX], .rdx = gpr[VMM_RDX], .rsi = gpr[VMM_RSI],
        .rdi = gpr[VMM_RDI], .rsp = gpr[VMM_RSP], .rbp = gpr[VMM_RBP], .r8 = gpr[VMM_R8], .r9 = gpr[VMM_R9],
        .r10 = gpr[VMM_R10], .r11 = gpr[VMM_R11], .r12 = gpr[VMM_R12], .r13 = gpr[VMM_R13], .r14 = gpr[VMM_R14],
        .r15 = gpr[VMM_R15], .rip = vcpu->rip, .rflags = vcpu->eflags,
    };
}

static void
put_vcpu(GByteArray *out, const VmmVcpu *vcpu)
{
    const struct kvm_regs regs = general_registers(vcpu);
    const struct kvm_sregs sregs = {
        .cs.selector = vcpu->cs, .ss.selector = vcpu->ss, .fs.base = vcpu->fs_base, .gs.base = vcpu->gs_base,
        .cr0 = vcpu->cr0, .cr3 = vcpu->cr3, .cr4 = vcpu->cr4, .efer = vcpu->efer, .gdt.base = vcpu->gdt_base,
    };

    put_zeros(out, 8);                  /* CPUID */
    put_u64(out, 3);
    for (guint i = 0; i < 3; i++)
        put_zeros(out, 40);
    put_msrs(out, vcpu);
    put_zeros(out, 128);                /* debug registers */
    put_zeros(out, 1024);               /* local APIC */
    put_zeros(out, 4);                  /* state */
    put_bytes(out, &regs, 144);
    put_bytes(out, &sregs, 312);
    put_zeros(out, 64);                 /* events */
    put_zeros(out, 392);                /* extended control registers */
    put_zeros(out, 8 + 4096);           /* extended state, and what is beyond a page of it */
    put_u64(out, 2);
    put_u32(out, 1);
    put_u32(out, 2);
    put_u8(out, 1);
    put_u32(out, 2100000);
}

/* Bit by bit, from the polynomial as it is published. */
static guint64
checksum(const guint8 *bytes, gsize length)
{
    guint64 crc = 0;

    for (gsize i = 0; i < length; i++)
        for (guint bit = 0; bit < 8; bit++) {
            gboolean carry = (crc >> 63) != (guint64)(bytes[i] >> bit & 1);

            crc = crc << 1 ^ (carry ? 0xad93d23594c935a9ULL : 0);
        }
    /* Its bits the other way round. */
    crc = (crc >> 1 & 0x5555555555555555ULL) | (crc & 0x5555555555555555ULL) << 1;
    crc = (crc >> 2 & 0x3333333333333333ULL) | (crc & 0x3333333333333333ULL) << 2;
    crc = (crc >> 4 & 0x0f0f0f0f0f0f0f0fULL) | (crc & 0x0f0f0f0f0f0f0f0fULL) << 4;
    return GUINT64_SWAP_LE_BE(crc);
}

void
firecracker_state_seal(GByteArray *bytes)
{
    guint64 crc = checksum(bytes->data, bytes->len - sizeof crc);

    memcpy(bytes->data + bytes->len - sizeof crc, &crc, sizeof crc);
}

GByteArray *
firecracker_state_write(const FirecrackerState *state)
{
    GByteArray *out = g_byte_array_new();

    put_u64(out, 0x0710198486640000ULL);
    put_string(out, state->version != NULL ? state->version : state->release < 13 ? "6.0.0" : "8.0.0");
    put_machine(out);
    put_regions(out, state);
    put_allocators(out, state);
    put_zeros(out, 112);                /* timer */
    put_zeros(out, 48);                 /* clock */
    for (guint i = 0; i < 3; i++)
        put_zeros(out, 520);            /* interrupt controllers */
    put_u64(out, state->n_vcpus);
    for (guint i = 0; i < state->n_vcpus; i++)
        put_vcpu(out, &state->vcpus[i]);
    put_string(out, "devices, of which nobody here knows anything");
    put_u64(out, 0);
    firecracker_state_seal(out);
    return out;
}
