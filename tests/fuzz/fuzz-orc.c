/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwinding: the input is 32 ORC entries, which are for the text in turn, then where to start, then two stacks. make-seeds.c
 * makes one of them.
 */
#include <string.h>

#include "introspect/unwind.h"
#include "tests/fuzz/fuzz.h"

#define TEXT            0xffffffff81000000ULL
#define TEXT_BYTES      0x10000
#define STACK(n)        (0xffffc90000010000ULL + (n) * 0x10000ULL)
#define STACK_BYTES     2048
#define N_ENTRIES       32
#define ENTRY_BYTES     6
#define MAX_FRAMES      10000

typedef struct {
    guint8 entries[N_ENTRIES][ENTRY_BYTES];
    struct {
        guint64 ip, sp, bp, r10;
    } start;
    guint8 stacks[2][STACK_BYTES];
} Input;

static const IntroOrcRegister registers[INTRO_ORC_N_REGISTERS] = {
    INTRO_ORC_REG_UNDEFINED, INTRO_ORC_REG_PREV_SP, INTRO_ORC_REG_AX, INTRO_ORC_REG_DX, INTRO_ORC_REG_DI,
    INTRO_ORC_REG_BP, INTRO_ORC_REG_SP, INTRO_ORC_REG_R10, INTRO_ORC_REG_R13, INTRO_ORC_REG_BP_INDIRECT,
    INTRO_ORC_REG_SP_INDIRECT, [11 ... 15] = INTRO_ORC_REG_UNKNOWN,
};

static const IntroOrcLayout orc_layout = {
    .size_bytes = ENTRY_BYTES, .registers = registers, .sp_offset = { 0, 16, 1 }, .bp_offset = { 16, 16, 1 },
    .sp_register = { 32, 4, 1 }, .bp_register = { 36, 4, 1 }, .type = { 40, 3, 1 }, .signal = { 43, 1, 1 },
};

static const IntroRegsLayout regs_layout = {
    .size_bytes = 168, .r13 = 16, .bp = 32, .r10 = 56, .ax = 80, .dx = 96, .di = 112, .ip = 128, .cs = 136, .sp = 152,
};

static gboolean
read_stacks(gpointer self, GuestVa va, void *buffer, gsize length)
{
    const Input *input = self;

    for (guint i = 0; i < 2; i++)
        if (va >= STACK(i) && va - STACK(i) <= STACK_BYTES && length <= STACK_BYTES - (va - STACK(i))) {
            memcpy(buffer, input->stacks[i] + (va - STACK(i)), length);
            return TRUE;
        }
    return FALSE;
}

static gboolean
is_text(gpointer self, GuestVa va)
{
    return va - TEXT < TEXT_BYTES;
}

static gboolean
find_entry(gpointer self, GuestVa pc, gboolean is_return, IntroOrcEntry *entry)
{
    const Input *input = self;
    GuestVa ip = is_return ? pc - 1 : pc;

    if (!is_text(self, ip))
        return FALSE;
    *entry = intro_orc_decode(&orc_layout, input->entries[ip % N_ENTRIES]);
    return TRUE;
}

static gboolean
find_original(gpointer self, GuestVa return_va, GuestVa slot, GuestVa *original)
{
    *original = return_va;
    return return_va != TEXT;
}

static gboolean
is_jump(gpointer self, GuestVa from, GuestVa to)
{
    return to == TEXT + 1;
}

static const IntroUnwindOps ops = { read_stacks, find_entry, is_text, find_original, is_jump };

size_t LLVMFuzzerMutate(guint8 *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(guint8 *data, size_t size, size_t max_size, unsigned int seed);

/* Chance would hardly ever put an address that means something into a word of a stack. */
size_t
LLVMFuzzerCustomMutator(guint8 *data, size_t size, size_t max_size, unsigned int seed)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    const gsize first = G_STRUCT_OFFSET(Input, start) / sizeof(guint64), behind = sizeof(Input) / sizeof(guint64);
    guint64 address = TEXT + g_rand_int_range(random, 0, TEXT_BYTES);
    gsize at = (gsize) g_rand_int_range(random, first, behind) * sizeof address;

    if (max_size < sizeof(Input) || g_rand_boolean(random))
        return LLVMFuzzerMutate(data, size, max_size);
    if (g_rand_boolean(random))
        address = STACK(g_rand_int_range(random, 0, 3)) + sizeof address * g_rand_int_range(random, 0, STACK_BYTES / 8 + 1);
    if (size < sizeof(Input))
        memset(data + size, 0, sizeof(Input) - size);
    memcpy(data + at, &address, sizeof address);
    return MAX(size, sizeof(Input));
}

void
fuzz(const guint8 *data, gsize size)
{
    static Input input;
    const IntroStackArea areas[] = {
        { .start = STACK(0), .end = STACK(0) + STACK_BYTES, .link = INTRO_STACK_LAST },
        { .start = STACK(1), .end = STACK(1) + STACK_BYTES, .link = INTRO_STACK_SAVED_SP },
        { .start = STACK(2), .end = STACK(2) + STACK_BYTES, .link = INTRO_STACK_SAVED_REGS },
    };
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(IntroStackArea));
    g_autoptr(IntroStack) stack = NULL;
    IntroUnwindStart start;

    memset(&input, 0, sizeof input);
    memcpy(&input, data, MIN(size, sizeof input));
    start = (IntroUnwindStart) {
        .ip = input.start.ip, .sp = input.start.sp, .bp = input.start.bp, .signal = input.start.r10 & 1,
        .regs = { .is_present = input.start.r10 & 1, .is_full = TRUE, .r10 = input.start.r10 },
    };
    g_array_set_clear_func(list, (GDestroyNotify) intro_stack_area_clear);
    g_array_append_vals(list, areas, G_N_ELEMENTS(areas));
    stack = intro_unwind(&ops, &input, &regs_layout, list, &start);
    if (stack->frames->len > MAX_FRAMES)
        __builtin_trap();
}
