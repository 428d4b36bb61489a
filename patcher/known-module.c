/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The struct module of new code. */
#include "patcher/known.h"

#include <string.h>

#include "patcher/error.h"

typedef struct {
    const IntroBtf *btf;
    guint8 *bytes;
    gsize length;
    GError *error;              /* the first one */
} Writer;

static void
put(Writer *writer, gsize offset, guint64 value, gsize width)
{
    guint64 bytes = GUINT64_TO_LE(value);

    if (offset + width > writer->length && !writer->error)
        g_set_error_literal(&writer->error, PATCH_ERROR, PATCH_ERROR_FAILED,
                            "the guest's types contradict each other: a member lies outside of its struct module");
    if (!writer->error)
        memcpy(writer->bytes + offset, &bytes, width);
}

static void
put_member(Writer *writer, gsize base, const char *type, const char *member, guint64 value, gsize width)
{
    gsize offset;

    if (!writer->error && intro_btf_offset(writer->btf, type, member, &offset, &writer->error))
        put(writer, base + offset, value, width);
}

/* The same, where not every kernel has it. */
static void
put_optional(Writer *writer, const char *member, guint64 value, gsize width)
{
    if (intro_btf_has_member(writer->btf, "module", member))
        put_member(writer, 0, "module", member, value, width);
}

static void
put_empty_list(Writer *writer, GuestVa module, const char *member)
{
    gsize offset;

    if (!intro_btf_offset(writer->btf, "module", member, &offset, NULL))
        return;
    put(writer, offset, module + offset, 8);
    put(writer, offset + 8, module + offset, 8);
}

static void
put_name(Writer *writer, const PatchRecord *record)
{
    g_autofree char *name = *record->module.name ? g_strdup_printf("vlp_%s_%s", record->id, record->module.name)
                                                 : g_strdup_printf("vlp_%s", record->id);
    IntroMember member;
    gsize offset;

    if (writer->error || !intro_btf_member(writer->btf, "module", "name", &member, &writer->error))
        return;
    offset = member.offset_bits / 8;
    if (member.n_elements == 0 || offset + member.n_elements > writer->length)
        put(writer, writer->length, 0, 8);
    else
        g_strlcpy((char *) writer->bytes + offset, name, member.n_elements);
}

static void
put_text(Writer *writer, const PatchKnown *known, const PatchRecord *record, guint64 code_bytes)
{
    gsize text = known->table.text;
    gboolean is_layout = intro_btf_has_member(writer->btf, "module", "core_layout");
    const char *type = is_layout ? "module_layout" : "module_memory";

    put_member(writer, text, type, "base", record->code_va, 8);
    put_member(writer, text, type, "size", is_layout ? record->block.length : code_bytes, 4);
    if (is_layout) {
        put_member(writer, text, type, "text_size", code_bytes, 4);
        put_member(writer, text, type, "ro_size", record->block.length, 4);
        put_member(writer, text, type, "ro_after_init_size", record->block.length, 4);
    }
    if (known->table.has_tree)
        put(writer, known->table.node_owner, record->known_va, 8);
}

static void
put_symbols(Writer *writer, const PatchRecord *record, const PatchKnownTables *tables)
{
    gsize symbols;

    if (writer->error || !intro_btf_offset(writer->btf, "module", "core_kallsyms", &symbols, &writer->error))
        return;
    put_member(writer, 0, "module", "kallsyms", record->known_va + symbols, 8);
    put_member(writer, symbols, "mod_kallsyms", "symtab", record->code_va + tables->symbols, 8);
    put_member(writer, symbols, "mod_kallsyms", "num_symtab", tables->n_symbols, 4);
    put_member(writer, symbols, "mod_kallsyms", "strtab", record->code_va + tables->names, 8);
    put_member(writer, symbols, "mod_kallsyms", "typetab", record->code_va + tables->types, 8);
}

static void
put_unwinds(Writer *writer, const PatchRecord *record, const PatchKnownTables *tables)
{
    if (!tables->n_unwinds)
        return;
    put_member(writer, 0, "module", "arch.num_orcs", tables->n_unwinds, 4);
    put_member(writer, 0, "module", "arch.orc_unwind_ip", record->code_va + tables->unwind_ips, 8);
    put_member(writer, 0, "module", "arch.orc_unwind", record->code_va + tables->unwinds, 8);
}

gboolean
patch_known_module(const PatchKnown *known, const IntroKernel *kernel, const PatchRecord *record,
                   const PatchKnownTables *tables, guint64 code_bytes, guint8 *module, GError **error)
{
    Writer writer = { intro_kernel_btf(kernel), module, known->table.module_bytes, NULL };
    gint64 live;

    if (!intro_btf_enumerator(writer.btf, "MODULE_STATE_LIVE", &live, error))
        return FALSE;
    put_member(&writer, 0, "module", "state", live, 4);
    put_name(&writer, record);
    put_text(&writer, known, record, code_bytes);
    put_symbols(&writer, record, tables);
    put_unwinds(&writer, record, tables);
    if (tables->n_exceptions) {
        put_member(&writer, 0, "module", "num_exentries", tables->n_exceptions, 4);
        put_member(&writer, 0, "module", "extable", record->code_va + tables->exceptions, 8);
    }
    /* What has an init and no exit is permanent. It is not called: the module is past it. */
    put_optional(&writer, "init", record->code_va, 8);
    put_optional(&writer, "refcnt", PATCH_KNOWN_REFERENCES, 4);
    put_empty_list(&writer, record->known_va, "source_list");
    put_empty_list(&writer, record->known_va, "target_list");
    put_empty_list(&writer, record->known_va, "bug_list");
    if (writer.error)
        g_propagate_error(error, writer.error);
    return writer.error == NULL;
}
