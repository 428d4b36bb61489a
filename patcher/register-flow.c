/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/register-flow.h"

#include <capstone/capstone.h>
#include <string.h>

#include "patcher/guestcode.h"

#define N_REGISTERS 16
#define MAX_STEPS (1 << 22)     /* in one function; an update may be anybody's */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, NO_REGISTER = -1 };

/* Functions that read what they are given, or write to it, and are done with it when they return. */
static const char *const users[] = {
    "___ratelimit", "__dynamic_dev_dbg", "__dynamic_netdev_dbg", "__dynamic_pr_debug", "__memset", "__might_fault",
    "__might_sleep", "__request_module", "__warn", "__warn_printk", "_copy_from_user", "_copy_to_user", "_dev_alert",
    "_dev_crit", "_dev_emerg", "_dev_err", "_dev_info", "_dev_notice", "_dev_printk", "_dev_warn", "_printk",
    "_printk_deferred", "_raw_read_lock", "_raw_read_unlock", "_raw_spin_lock", "_raw_spin_lock_bh", "_raw_spin_lock_irq",
    "_raw_spin_lock_irqsave", "_raw_spin_trylock", "_raw_spin_unlock", "_raw_spin_unlock_bh", "_raw_spin_unlock_irq",
    "_raw_spin_unlock_irqrestore", "_raw_write_lock", "_raw_write_unlock", "alloc_workqueue", "audit_log_format",
    "dev_err_probe", "dev_printk", "down_read", "down_write", "fortify_panic", "kasprintf", "kstrdup", "kvasprintf", "memcmp",
    "memset", "mutex_lock", "mutex_lock_interruptible", "mutex_lock_killable", "mutex_trylock", "mutex_unlock",
    "netdev_alert", "netdev_crit", "netdev_emerg", "netdev_err", "netdev_info", "netdev_notice", "netdev_printk",
    "netdev_warn", "panic", "printk", "scnprintf", "seq_printf", "seq_puts", "seq_write", "sized_strscpy", "snprintf",
    "sprintf", "sscanf", "static_key_disable", "static_key_enable", "static_key_slow_dec", "static_key_slow_inc",
    "strcasecmp", "strcat", "strcmp", "strcpy", "strlcat", "strlcpy", "strlen", "strncasecmp", "strncat", "strncmp",
    "strncpy", "strnlen", "strscpy", "sysfs_emit", "sysfs_emit_at", "up_read", "up_write", "vsnprintf", "warn_slowpath_fmt",
    NULL,
};

/* The same, but they leave a copy of what is there. */
static const char *const copiers[] = { "__memcpy", "__memmove", "kmemdup", "memcpy", "memmove", NULL };

/* Functions that call another, and are done with it when they return. */
static const char *const callers[] = {
    "acpi_walk_namespace", "acpi_walk_resources", "apply_to_existing_page_range", "apply_to_page_range", "bsearch",
    "bus_find_device", "bus_for_each_dev", "bus_for_each_drv", "class_find_device", "class_for_each_device", "device_find_child",
    "device_for_each_child", "device_for_each_child_reverse", "dmi_walk", "driver_find_device", "driver_for_each_device",
    "idr_for_each", "iterate_fd", "iterate_supers", "iterate_supers_type", "kallsyms_on_each_symbol", "list_sort",
    "netdev_walk_all_lower_dev", "netdev_walk_all_upper_dev_rcu", "pci_walk_bus", "smp_call_on_cpu", "sort", "sort_r",
    "stop_machine", "walk_page_range", "work_on_cpu", NULL,
};

/* A register that holds an address, or what was loaded from there, before an instruction. */
typedef struct {
    guint insn;
    int reg;
    PatchLeaves what;
} State;

struct PatchFlow {
    const PatchObject *object;
    guint32 piece;
    const PatchCode *code;
    csh decoder;
    cs_insn *insns;
    gsize n_insns;
    GHashTable *by_offset;      /* offset -> number of the instruction there, + 1 */
    GHashTable *faults;         /* offset -> const PatchException, of OBJECT's */
    guint n_steps;
    GHashTable *seen;           /* set of states that were in the queue, as numbers */
    GArray *queue;              /* of State */
    gboolean is_function;       /* the address that is followed is that of a function */
    guint leaves;
};

PatchFlow *
patch_flow_new(const PatchObject *object, guint32 index)
{
    g_autoptr(PatchFlow) flow = g_new0(PatchFlow, 1);
    const PatchPiece *piece = object->pieces->pdata[index];
    const cs_insn *last;

    flow->object = object;
    flow->piece = index;
    flow->code = piece->code;
    flow->by_offset = g_hash_table_new(NULL, NULL);
    flow->faults = g_hash_table_new(NULL, NULL);
    flow->seen = g_hash_table_new(NULL, NULL);
    flow->queue = g_array_new(FALSE, FALSE, sizeof(State));
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &flow->decoder) != CS_ERR_OK)
        return NULL;
    cs_option(flow->decoder, CS_OPT_DETAIL, CS_OPT_ON);
    flow->n_insns = cs_disasm(flow->decoder, piece->code->bytes->data, piece->code->bytes->len, 0, 0, &flow->insns);
    last = flow->n_insns > 0 ? &flow->insns[flow->n_insns - 1] : NULL;
    if (!last || last->address + last->size != piece->code->bytes->len)
        return NULL;
    for (gsize i = 0; i < flow->n_insns; i++)
        g_hash_table_insert(flow->by_offset, GSIZE_TO_POINTER(flow->insns[i].address), GSIZE_TO_POINTER(i + 1));
    for (guint i = 0; i < object->exceptions->len; i++) {
        PatchException *exception = &g_array_index(object->exceptions, PatchException, i);

        if (exception->piece == index)
            g_hash_table_insert(flow->faults, GSIZE_TO_POINTER(exception->offset), exception);
    }
    return g_steal_pointer(&flow);
}

void
patch_flow_free(PatchFlow *flow)
{
    if (!flow)
        return;
    g_hash_table_unref(flow->by_offset);
    g_hash_table_unref(flow->faults);
    g_hash_table_unref(flow->seen);
    g_array_unref(flow->queue);
    if (flow->insns)
        cs_free(flow->insns, flow->n_insns);
    if (flow->decoder)
        cs_close(&flow->decoder);
    g_free(flow);
}

/* ---- Instructions ---- */

/* Which of the sixteen REG is, or a part of. */
static int
number_of(x86_reg reg)
{
    static const x86_reg names[N_REGISTERS][5] = {
        { X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH },
        { X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH },
        { X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH },
        { X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH },
        { X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL }, { X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL },
        { X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL }, { X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
        { X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B }, { X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
        { X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B }, { X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B },
        { X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B }, { X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B },
        { X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B }, { X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B },
    };

    for (int i = 0; i < N_REGISTERS; i++)
        for (gsize j = 0; j < G_N_ELEMENTS(names[i]) && names[i][j] != X86_REG_INVALID; j++)
            if (names[i][j] == reg)
                return i;
    return NO_REGISTER;
}

static gboolean
is_argument(int reg)
{
    return reg == RDI || reg == RSI || reg == RDX || reg == RCX || reg == R8 || reg == R9;
}

static gboolean
survives_calls(int reg)
{
    return reg == RBX || reg == RBP || reg == RSP || reg > 11;
}

static gboolean
is_register(const cs_x86_op *operand, int reg)
{
    return operand->type == X86_OP_REG && number_of(operand->reg) == reg;
}

static gboolean
is_addressed_by(const cs_x86_op *operand, int reg)
{
    return operand->type == X86_OP_MEM && (number_of(operand->mem.base) == reg || number_of(operand->mem.index) == reg);
}

/* The register that an instruction of at least four bytes' width puts its result into; NO_REGISTER if that is none. */
static int
result_of(const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;

    return x86->op_count > 0 && x86->operands[0].type == X86_OP_REG && x86->operands[0].size >= 4 &&
                   x86->operands[0].access & CS_AC_WRITE
               ? number_of(x86->operands[0].reg) : NO_REGISTER;
}

static gboolean
is_conditional_move(const cs_insn *insn)
{
    return g_str_has_prefix(insn->mnemonic, "cmov");
}

static gboolean
is_arithmetic(const cs_insn *insn)
{
    switch (insn->id) {
    case X86_INS_ADD:
    case X86_INS_SUB:
    case X86_INS_AND:
    case X86_INS_OR:
    case X86_INS_INC:
    case X86_INS_DEC:
        return TRUE;
    default:
        return FALSE;
    }
}

static const PatchFixup *
fixup_in(const PatchFlow *flow, const cs_insn *insn)
{
    const GArray *fixups = flow->code->fixups;
    guint low = 0, high = fixups->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(fixups, PatchFixup, middle).offset < insn->address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < fixups->len && g_array_index(fixups, PatchFixup, low).offset < insn->address + insn->size
               ? &g_array_index(fixups, PatchFixup, low) : NULL;
}

/* The name of the symbol that a call or a jump goes to, "" if it goes elsewhere. */
static const char *
callee(const PatchFlow *flow, const cs_insn *insn)
{
    const PatchFixup *fixup = fixup_in(flow, insn);
    const cs_x86 *x86 = &insn->detail->x86;

    return fixup && fixup->target == PATCH_TARGET_SYMBOL && x86->op_count == 1 && x86->operands[0].type == X86_OP_IMM
               ? ((const PatchSymbol *) flow->object->symbols->pdata[fixup->index])->name : "";
}

/* ---- Following ---- */

static void
queue(PatchFlow *flow, guint insn, int reg, PatchLeaves what)
{
    State state = { insn, reg, what };
    guint64 number = ((guint64) insn * N_REGISTERS + reg) * 2 + (what == PATCH_LEAVES_CONTENT) + 1;

    /* Behind the end there is nothing, as behind a call that does not return. */
    if (insn < flow->n_insns && g_hash_table_add(flow->seen, GSIZE_TO_POINTER(number)))
        g_array_append_val(flow->queue, state);
}

static void
call(PatchFlow *flow, const State *state, const cs_insn *insn)
{
    const char *name = callee(flow, insn);

    if (!is_argument(state->reg))
        return;
    if (flow->is_function && g_strv_contains(callers, name))
        return;
    if (g_strv_contains(copiers, name))
        flow->leaves |= PATCH_LEAVES_CONTENT;
    else if (!g_strv_contains(users, name))
        flow->leaves |= state->what == PATCH_LEAVES_ADDRESS ? PATCH_LEAVES_BY_CALL : state->what;
}

static void
leave(PatchFlow *flow, const State *state)
{
    if (state->reg == RAX)
        flow->leaves |= state->what;
}

/* To another place of the function, or out of it. */
static void
jump(PatchFlow *flow, const State *state, const cs_insn *insn)
{
    const cs_x86_op *operand = &insn->detail->x86.operands[0];
    gpointer target = NULL;

    if (!fixup_in(flow, insn) && operand->type == X86_OP_IMM)
        target = g_hash_table_lookup(flow->by_offset, GSIZE_TO_POINTER(operand->imm));
    if (target)
        queue(flow, GPOINTER_TO_SIZE(target) - 1, state->reg, state->what);
    else if (g_str_equal(callee(flow, insn), "__x86_return_thunk"))
        leave(flow, state);
    else if (*callee(flow, insn) && insn->id == X86_INS_JMP && !survives_calls(state->reg))
        call(flow, state, insn);
    else
        flow->leaves |= state->what;
    if (insn->id != X86_INS_JMP)
        queue(flow, state->insn + 1, state->reg, state->what);
}

/* What is loaded through the register may lead elsewhere. */
static void
load(PatchFlow *flow, guint next, const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;
    const cs_x86_op *first = &x86->operands[0];
    int into = result_of(insn);

    if (insn->id == X86_INS_CMP || insn->id == X86_INS_TEST || x86->op_count == 0)
        return;
    if (insn->id == X86_INS_XCHG || insn->id == X86_INS_CMPXCHG)
        flow->leaves |= PATCH_LEAVES_CONTENT;
    if (into != NO_REGISTER && first->size >= 8)
        queue(flow, next, into, PATCH_LEAVES_CONTENT);
    else if (insn->id == X86_INS_PUSH || (x86->op_count > 1 && x86->operands[1].type == X86_OP_MEM &&
                                          (first->type == X86_OP_MEM || first->size >= 8)))
        flow->leaves |= PATCH_LEAVES_CONTENT;
}

/* The register is an operand that is read, as it is. */
static void
use(PatchFlow *flow, const State *state, const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;
    int into = result_of(insn);

    if (insn->id == X86_INS_CMP || insn->id == X86_INS_TEST)
        return;
    if (into != NO_REGISTER && x86->operands[0].size >= 8 &&
        (insn->id == X86_INS_MOV || insn->id == X86_INS_LEA || is_conditional_move(insn) || is_arithmetic(insn)))
        queue(flow, state->insn + 1, into, state->what);
    else
        flow->leaves |= state->what;
}

/* What was in the register does not matter. */
static gboolean
is_cleared(const cs_insn *insn)
{
    const cs_x86_op *operands = insn->detail->x86.operands;

    return (insn->id == X86_INS_XOR || insn->id == X86_INS_SUB) && operands[0].type == X86_OP_REG &&
           operands[1].type == X86_OP_REG && operands[0].reg == operands[1].reg;
}

static gboolean
uses(const cs_insn *insn, int reg)
{
    const cs_x86 *x86 = &insn->detail->x86;

    for (guint i = 0; i < x86->op_count; i++)
        if ((is_register(&x86->operands[i], reg) && (x86->operands[i].access != CS_AC_WRITE || is_conditional_move(insn))) ||
            (insn->id == X86_INS_LEA && is_addressed_by(&x86->operands[i], reg)))
            return !is_cleared(insn);
    return FALSE;
}

static gboolean
loads(const cs_insn *insn, int reg)
{
    const cs_x86 *x86 = &insn->detail->x86;

    for (guint i = 0; i < x86->op_count; i++)
        if (insn->id != X86_INS_LEA && is_addressed_by(&x86->operands[i], reg))
            return TRUE;
    return FALSE;
}

/* The register is none of the operands that one sees: what moves strings, say, or multiplies. */
static gboolean
uses_implicitly(const cs_insn *insn, int reg)
{
    for (guint i = 0; i < insn->detail->regs_read_count; i++)
        if (number_of(insn->detail->regs_read[i]) == reg)
            return TRUE;
    return FALSE;
}

static gboolean
is_overwritten(const cs_insn *insn, int reg)
{
    return result_of(insn) == reg && (is_cleared(insn) || (!is_conditional_move(insn) && !is_arithmetic(insn)));
}

/* An access that faults goes on elsewhere. */
static void
fault(PatchFlow *flow, const State *state, const cs_insn *insn)
{
    const PatchException *exception = g_hash_table_lookup(flow->faults, GSIZE_TO_POINTER(insn->address));
    gpointer to = exception ? g_hash_table_lookup(flow->by_offset, GSIZE_TO_POINTER(exception->to_offset)) : NULL;

    if (!exception)
        return;
    if (exception->to_piece == flow->piece && to)
        queue(flow, GPOINTER_TO_SIZE(to) - 1, state->reg, state->what);
    else
        flow->leaves |= state->what;
}

static void
step(PatchFlow *flow, const State *state)
{
    const cs_insn *insn = &flow->insns[state->insn];
    csh decoder = flow->decoder;

    fault(flow, state, insn);
    if (cs_insn_group(decoder, insn, CS_GRP_CALL)) {
        call(flow, state, insn);
        if (survives_calls(state->reg))
            queue(flow, state->insn + 1, state->reg, state->what);
        return;
    }
    if (cs_insn_group(decoder, insn, CS_GRP_RET)) {
        leave(flow, state);
        return;
    }
    if (cs_insn_group(decoder, insn, CS_GRP_JUMP)) {
        jump(flow, state, insn);
        return;
    }
    if (loads(insn, state->reg))
        load(flow, state->insn + 1, insn);
    if (uses(insn, state->reg))
        use(flow, state, insn);
    else if (!loads(insn, state->reg) && uses_implicitly(insn, state->reg))
        flow->leaves |= state->what;
    if (!is_overwritten(insn, state->reg))
        queue(flow, state->insn + 1, state->reg, state->what);
}

/* The operand that FIXUP is in decides what the address is there for. */
static void
begin(PatchFlow *flow, guint number, const PatchFixup *fixup)
{
    const cs_insn *insn = &flow->insns[number];
    const cs_x86 *x86 = &insn->detail->x86;
    guint field = fixup->offset - insn->address;
    int into = result_of(insn);

    if (x86->encoding.disp_size > 0 && x86->encoding.disp_offset == field && insn->id != X86_INS_LEA)
        load(flow, number + 1, insn);
    else if (into != NO_REGISTER && (insn->id == X86_INS_LEA || insn->id == X86_INS_MOV || insn->id == X86_INS_MOVABS ||
                                     is_arithmetic(insn)))
        queue(flow, number + 1, into, PATCH_LEAVES_ADDRESS);
    else if (insn->id != X86_INS_CMP)
        flow->leaves |= PATCH_LEAVES_ADDRESS;
}

/* The instruction that FIXUP is in; -1 if there is none. */
static gint64
insn_of(const PatchFlow *flow, const PatchFixup *fixup)
{
    gsize low = 0, high = flow->n_insns;

    while (low < high) {
        gsize middle = low + (high - low) / 2;

        if (flow->insns[middle].address <= fixup->offset)
            low = middle + 1;
        else
            high = middle;
    }
    return (gint64) low - 1;
}

guint
patch_flow_follow(PatchFlow *flow, const PatchFixup *fixup, gboolean is_function)
{
    gint64 insn = insn_of(flow, fixup);

    flow->leaves = 0;
    flow->is_function = is_function;
    g_hash_table_remove_all(flow->seen);
    g_array_set_size(flow->queue, 0);
    if (insn >= 0)
        begin(flow, insn, fixup);
    while (flow->queue->len > 0 && flow->n_steps < MAX_STEPS) {
        const State state = g_array_index(flow->queue, State, flow->queue->len - 1);

        g_array_set_size(flow->queue, flow->queue->len - 1);
        step(flow, &state);
        flow->n_steps++;
    }
    return flow->queue->len > 0 ? flow->leaves | PATCH_LEAVES_ADDRESS : flow->leaves;
}
