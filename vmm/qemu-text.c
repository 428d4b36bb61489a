/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/qemu-text.h"

#include <stddef.h>
#include <string.h>

static gboolean
take_hex(const char **text, guint64 *value)
{
    guint64 parsed = 0;
    guint digits = 0;

    for (; g_ascii_isxdigit((*text)[digits]); digits++)
        parsed = parsed << 4 | g_ascii_xdigit_value((*text)[digits]);
    if (digits == 0 || digits > 16)
        return FALSE;
    *value = parsed;
    *text += digits;
    return TRUE;
}

static gboolean
take_literal(const char **text, const char *literal)
{
    if (!g_str_has_prefix(*text, literal))
        return FALSE;
    *text += strlen(literal);
    return TRUE;
}

static gboolean
take_decimal(const char **text)
{
    const char *start = *text;

    if (**text == '-')
        (*text)++;
    while (g_ascii_isdigit(**text))
        (*text)++;
    return *text > start;
}

/* `  START-END (prio N, KIND): NAME...`, with END the last byte. */
static gboolean
parse_mtree_row(const char *line, VmmRange *range, gboolean *is_ram)
{
    guint64 start, last;

    if (!take_literal(&line, "  ") || !take_hex(&line, &start) || !take_literal(&line, "-") || !take_hex(&line, &last)
        || !take_literal(&line, " (prio ") || !take_decimal(&line) || !take_literal(&line, ", "))
        return FALSE;
    *is_ram = g_str_has_prefix(line, "ram): ");
    if (strstr(line, "): ") == NULL || last < start)
        return FALSE;
    range->start = guest_pa(start);
    range->length = last - start + 1;
    return range->length != 0;
}

static gboolean
add_range(GArray *ranges, const VmmRange *range)
{
    if (ranges->len > 0) {
        const VmmRange *previous = &g_array_index(ranges, VmmRange, ranges->len - 1);

        if (range->start.value < previous->start.value
            || range->start.value - previous->start.value < previous->length)
            return FALSE;
    }
    g_array_append_val(ranges, *range);
    return ranges->len <= VMM_MAX_REGIONS;
}

/* The first line of the view that the address space "memory" shows, or NULL. */
static char **
find_system_view(char **lines)
{
    for (; *lines != NULL; lines++)
        if (g_str_has_prefix(*lines, " AS \"memory\","))
            return lines;
    return NULL;
}

GArray *
vmm_qemu_parse_mtree(const char *text, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));
    char **line = find_system_view(lines);

    for (; line != NULL && *line != NULL && *g_strchomp(*line) != '\0'; line++) {
        VmmRange range;
        gboolean is_ram;

        if (g_str_has_prefix(*line, " AS \"") || g_str_has_prefix(*line, " Root memory region: "))
            continue;
        if (!parse_mtree_row(*line, &range, &is_ram) || (is_ram && !add_range(ranges, &range))) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "this QEMU describes guest memory in an unknown way: "
                        "'%.80s'", *line);
            return NULL;
        }
    }
    if (ranges->len == 0) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "QEMU's map of guest memory shows no RAM");
        return NULL;
    }
    return g_steal_pointer(&ranges);
}

gboolean
vmm_qemu_parse_gpa2hva(const char *text, guint64 *hva, GError **error)
{
    g_autofree char *line = g_strstrip(g_strdup(text));
    const char *value = g_strrstr(line, ") is 0x");

    if (value != NULL && g_str_has_prefix(line, "Host virtual address for 0x")) {
        value += strlen(") is 0x");
        if (take_hex(&value, hva) && *value == '\0' && *hva != 0)
            return TRUE;
    }
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "QEMU does not tell where it keeps guest memory: '%.80s'", line);
    return FALSE;
}

/* The text behind NAME and '=', NAME being padded with blanks to three characters as QEMU does. NULL if it is not there
 * exactly once. */
static const char *
find_field(const char *text, const char *name)
{
    char key[8];
    const char *found = NULL;

    g_snprintf(key, sizeof key, "%-3s=", name);
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        if (at != text && at[-1] != ' ' && at[-1] != '\n')
            continue;
        if (found != NULL)
            return NULL;
        found = at + strlen(key);
    }
    return found;
}

static gboolean
set_field_error(const char *name, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "this QEMU prints registers in an unknown way: no proper %s",
                name);
    return FALSE;
}

static gboolean
parse_field(const char *text, const char *name, guint64 *value, GError **error)
{
    const char *at = find_field(text, name);

    if (at == NULL || !take_hex(&at, value) || !g_ascii_isspace(*at))
        return set_field_error(name, error);
    return TRUE;
}

/* `CS =SELECTOR BASE LIMIT FLAGS`; BASE may be NULL. */
static gboolean
parse_segment(const char *text, const char *name, guint32 *selector, guint64 *base, GError **error)
{
    const char *at = find_field(text, name);
    guint64 selector_value, base_value, limit, flags;

    if (at == NULL || !take_hex(&at, &selector_value) || selector_value > G_MAXUINT16 || !take_literal(&at, " ")
        || !take_hex(&at, &base_value) || !take_literal(&at, " ") || !take_hex(&at, &limit)
        || !take_literal(&at, " ") || !take_hex(&at, &flags) || !g_ascii_isspace(*at))
        return set_field_error(name, error);
    if (selector != NULL)
        *selector = selector_value;
    if (base != NULL)
        *base = base_value;
    return TRUE;
}

/* `GDT=     BASE LIMIT` */
static gboolean
parse_gdt(const char *text, guint64 *base, GError **error)
{
    const char *at = find_field(text, "GDT");

    while (at != NULL && *at == ' ')
        at++;
    if (at == NULL || !take_hex(&at, base) || *at != ' ')
        return set_field_error("GDT", error);
    return TRUE;
}

typedef struct {
    const char *name;
    gsize offset;
} Field;

#define GPR(name, which) { name, offsetof(VmmVcpu, gpr) + (which) * sizeof(guint64) }

static const Field long_mode_fields[] = {
    GPR("RAX", VMM_RAX), GPR("RBX", VMM_RBX), GPR("RCX", VMM_RCX), GPR("RDX", VMM_RDX),
    GPR("RSI", VMM_RSI), GPR("RDI", VMM_RDI), GPR("RBP", VMM_RBP), GPR("RSP", VMM_RSP),
    GPR("R8", VMM_R8), GPR("R9", VMM_R9), GPR("R10", VMM_R10), GPR("R11", VMM_R11),
    GPR("R12", VMM_R12), GPR("R13", VMM_R13), GPR("R14", VMM_R14), GPR("R15", VMM_R15),
    { "RIP", offsetof(VmmVcpu, rip) }, { "RFL", offsetof(VmmVcpu, eflags) },
};

static const Field legacy_fields[] = {
    GPR("EAX", VMM_RAX), GPR("EBX", VMM_RBX), GPR("ECX", VMM_RCX), GPR("EDX", VMM_RDX),
    GPR("ESI", VMM_RSI), GPR("EDI", VMM_RDI), GPR("EBP", VMM_RBP), GPR("ESP", VMM_RSP),
    { "EIP", offsetof(VmmVcpu, rip) }, { "EFL", offsetof(VmmVcpu, eflags) },
};

static const Field control_fields[] = {
    { "CR0", offsetof(VmmVcpu, cr0) }, { "CR3", offsetof(VmmVcpu, cr3) }, { "CR4", offsetof(VmmVcpu, cr4) },
    { "EFER", offsetof(VmmVcpu, efer) },
};

static gboolean
parse_fields(const char *text, const Field *fields, gsize n_fields, VmmVcpu *vcpu, GError **error)
{
    for (gsize i = 0; i < n_fields; i++)
        if (!parse_field(text, fields[i].name, G_STRUCT_MEMBER_P(vcpu, fields[i].offset), error))
            return FALSE;
    return TRUE;
}

gboolean
vmm_qemu_parse_registers(const char *text, VmmVcpu *vcpu, GError **error)
{
    VmmVcpu parsed = { .index = vcpu->index };
    gboolean is_long = find_field(text, "RIP") != NULL;

    if (!parse_fields(text, is_long ? long_mode_fields : legacy_fields,
                      is_long ? G_N_ELEMENTS(long_mode_fields) : G_N_ELEMENTS(legacy_fields), &parsed, error)
        || !parse_fields(text, control_fields, G_N_ELEMENTS(control_fields), &parsed, error)
        || !parse_segment(text, "CS", &parsed.cs, NULL, error)
        || !parse_segment(text, "SS", &parsed.ss, NULL, error)
        || !parse_segment(text, "FS", NULL, &parsed.fs_base, error)
        || !parse_segment(text, "GS", NULL, &parsed.gs_base, error)
        || !parse_gdt(text, &parsed.gdt_base, error))
        return FALSE;
    *vcpu = parsed;
    return TRUE;
}

/* "unix:PATH,server=on" (older: ",server"), after "disconnected:" when nobody is. */
char *
vmm_qemu_parse_listener(const char *filename, gboolean *connected)
{
    static const char nobody[] = "disconnected:", kind[] = "unix:";
    gboolean has_nobody = filename != NULL && g_str_has_prefix(filename, nobody);
    const char *rest = has_nobody ? filename + strlen(nobody) : filename;
    const char *options;

    if (rest == NULL || !g_str_has_prefix(rest, kind) || rest[strlen(kind)] != '/')
        return NULL;
    options = g_strrstr(rest, ",server");
    if (options == NULL)
        return NULL;
    if (connected != NULL)
        *connected = !has_nobody;
    return g_strndup(rest + strlen(kind), options - rest - strlen(kind));
}

gboolean
vmm_qemu_tells_moved(const char *text)
{
    return strstr(text, "finish-migrate") != NULL || strstr(text, "postmigrate") != NULL;
}

gboolean
vmm_qemu_set_moved_error(GError **error)
{
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the guest was migrated away while it stood still, and what was to "
                        "be written may be there in part: let it run where it is now, and run 'virt-livepatch recover' there");
    return FALSE;
}
