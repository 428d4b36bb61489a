/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/gdb-target.h"

#include <stddef.h>
#include <string.h>

#include "vmm/error.h"

#define MAX_REGISTERS 4096
#define MAX_BITS 65536
#define MAX_INCLUDES 64

/* The registers of VmmVcpu by the names that gdb's x86-64 features, and QEMU's system feature, give them. */
static const struct {
    const char *name;
    gsize offset, size;
} wanted[] = {
#define WANT(name, member) { name, offsetof(VmmVcpu, member), sizeof(((VmmVcpu *)NULL)->member) }
    WANT("rax", gpr[VMM_RAX]), WANT("rbx", gpr[VMM_RBX]), WANT("rcx", gpr[VMM_RCX]), WANT("rdx", gpr[VMM_RDX]),
    WANT("rsi", gpr[VMM_RSI]), WANT("rdi", gpr[VMM_RDI]), WANT("rbp", gpr[VMM_RBP]), WANT("rsp", gpr[VMM_RSP]),
    WANT("r8", gpr[VMM_R8]), WANT("r9", gpr[VMM_R9]), WANT("r10", gpr[VMM_R10]), WANT("r11", gpr[VMM_R11]),
    WANT("r12", gpr[VMM_R12]), WANT("r13", gpr[VMM_R13]), WANT("r14", gpr[VMM_R14]), WANT("r15", gpr[VMM_R15]),
    WANT("rip", rip), WANT("eflags", eflags), WANT("cs", cs), WANT("ss", ss),
    WANT("fs_base", fs_base), WANT("gs_base", gs_base), WANT("k_gs_base", kernel_gs_base),
    WANT("cr0", cr0), WANT("cr3", cr3), WANT("cr4", cr4), WANT("efer", efer),
#undef WANT
};

typedef struct {
    char *name;
    guint64 number;
    gsize offset, size;     /* bytes */
} Register;

struct VmmGdbTarget {
    GArray *registers;      /* of Register */
    guint64 next_number;
    const Register *places[G_N_ELEMENTS(wanted)];   /* into registers, after finish */
};

static void
register_clear(gpointer data)
{
    g_free(((Register *)data)->name);
}

VmmGdbTarget *
vmm_gdb_target_new(void)
{
    VmmGdbTarget *target = g_new0(VmmGdbTarget, 1);

    target->registers = g_array_new(FALSE, FALSE, sizeof(Register));
    g_array_set_clear_func(target->registers, register_clear);
    return target;
}

void
vmm_gdb_target_free(VmmGdbTarget *target)
{
    if (target == NULL)
        return;
    g_array_unref(target->registers);
    g_free(target);
}

typedef struct {
    VmmGdbTarget *target;
    GPtrArray *includes;
} ParseState;

static const char *
find_attribute(const char **names, const char **values, const char *name)
{
    for (; *names != NULL; names++, values++)
        if (strcmp(*names, name) == 0)
            return *values;
    return NULL;
}

static gboolean
add_register(VmmGdbTarget *target, const char **names, const char **values, GError **error)
{
    const char *name = find_attribute(names, values, "name");
    const char *bits_text = find_attribute(names, values, "bitsize");
    const char *number_text = find_attribute(names, values, "regnum");
    guint64 bits, number = target->next_number;
    Register added;

    if (name == NULL || bits_text == NULL || target->registers->len >= MAX_REGISTERS
        || !g_ascii_string_to_unsigned(bits_text, 10, 8, MAX_BITS, &bits, NULL) || bits % 8 != 0
        || (number_text != NULL && !g_ascii_string_to_unsigned(number_text, 10, 0, G_MAXUINT32, &number, NULL))) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub describes register '%s' in an unknown way",
                    name != NULL ? name : "(nameless)");
        return FALSE;
    }
    added = (Register) { .name = g_strdup(name), .number = number, .size = bits / 8 };
    target->next_number = number + 1;
    g_array_append_val(target->registers, added);
    return TRUE;
}

static void
start_element(GMarkupParseContext *context, const char *element, const char **names, const char **values,
              gpointer data, GError **error)
{
    ParseState *state = data;

    if (strcmp(element, "reg") == 0) {
        add_register(state->target, names, values, error);
    } else if (strcmp(element, "xi:include") == 0) {
        const char *href = find_attribute(names, values, "href");

        if (href == NULL || state->includes->len >= MAX_INCLUDES)
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub's description cannot be followed");
        else
            g_ptr_array_add(state->includes, g_strdup(href));
    }
}

gboolean
vmm_gdb_target_add(VmmGdbTarget *target, const char *xml, gsize length, GPtrArray *includes, GError **error)
{
    static const GMarkupParser parser = { .start_element = start_element };
    ParseState state = { target, includes };
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, &state, NULL);
    g_autoptr(GError) cause = NULL;

    if (g_markup_parse_context_parse(context, xml, length, &cause)
        && g_markup_parse_context_end_parse(context, &cause))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub's description of the registers: %s",
                cause->message);
    return FALSE;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    const Register *left = a, *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

static const Register *
find_register(const VmmGdbTarget *target, const char *name)
{
    for (guint i = 0; i < target->registers->len; i++) {
        const Register *candidate = &g_array_index(target->registers, Register, i);

        if (strcmp(candidate->name, name) == 0)
            return candidate;
    }
    return NULL;
}

gboolean
vmm_gdb_target_finish(VmmGdbTarget *target, GError **error)
{
    gsize offset = 0;

    g_array_sort(target->registers, compare_numbers);
    for (guint i = 0; i < target->registers->len; i++) {
        Register *placed = &g_array_index(target->registers, Register, i);

        placed->offset = offset;
        offset += placed->size;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        target->places[i] = find_register(target, wanted[i].name);
        if (target->places[i] == NULL || target->places[i]->size > sizeof(guint64)) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                        "the machine's gdb stub does not tell register '%s': not an x86-64 QEMU?", wanted[i].name);
            return FALSE;
        }
    }
    return TRUE;
}

static guint64
load_little_endian(const guint8 *bytes, gsize size)
{
    guint64 value = 0;

    while (size > 0)
        value = value << 8 | bytes[--size];
    return value;
}

gboolean
vmm_gdb_target_decode(const VmmGdbTarget *target, const guint8 *bytes, gsize length, VmmVcpu *vcpu, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const Register *place = target->places[i];
        guint64 value;

        if (place->offset > length || place->size > length - place->offset) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the gdb stub sent %" G_GSIZE_FORMAT
                        " bytes of registers, too few for '%s'", length, wanted[i].name);
            return FALSE;
        }
        value = load_little_endian(bytes + place->offset, place->size);
        if (wanted[i].size == sizeof(guint32))
            G_STRUCT_MEMBER(guint32, vcpu, wanted[i].offset) = value;
        else
            G_STRUCT_MEMBER(guint64, vcpu, wanted[i].offset) = value;
    }
    return TRUE;
}
