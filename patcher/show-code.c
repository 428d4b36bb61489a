/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/show-code.h"

#include "patcher/command.h"
#include "patcher/disassembly.h"

#define COLUMN 62               /* characters of one side */

static char *
line_of(const PatchInsn *insn)
{
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_append_printf(line, "%5x  %s", insn->offset, insn->text);
    if (*insn->refers)
        g_string_append_printf(line, "  %s", insn->refers);
    if (insn->site)
        g_string_append_printf(line, "  [%s]", insn->site);
    if (line->len > COLUMN) {
        g_string_truncate(line, COLUMN - 3);
        g_string_append(line, "...");
    }
    return g_strdup(line->str);
}

static void
print_pair(const PatchInsnPair *pair, const GPtrArray *old_insns, const GPtrArray *new_insns)
{
    g_autofree char *left = pair->old_insn >= 0 ? line_of(old_insns->pdata[pair->old_insn]) : g_strdup("");
    g_autofree char *right = pair->new_insn >= 0 ? line_of(new_insns->pdata[pair->new_insn]) : g_strdup("");
    char mark = pair->same ? ' ' : pair->new_insn < 0 ? '<' : pair->old_insn < 0 ? '>' : '|';
    g_autofree char *line = g_strdup_printf("%-*s %c %s", COLUMN, left, mark, right);

    g_print("%s\n", g_strchomp(line));
}

void
patch_show_code(const PatchObject *object)
{
    g_autoptr(GArray) functions = patch_code_pairs(object);

    for (guint i = 0; i < functions->len; i++) {
        const PatchCodePair *function = &g_array_index(functions, PatchCodePair, i);
        g_autoptr(GPtrArray) old_insns = patch_disassemble(object, function->old_code);
        g_autoptr(GPtrArray) new_insns = patch_disassemble(object, function->new_code);
        g_autoptr(GArray) pairs = patch_disassembly_align(old_insns, new_insns);

        g_print("\n%s%s:\n", function->name, !function->old_code ? " (new)" : !function->new_code ? " (gone)" : "");
        for (guint j = 0; j < pairs->len; j++)
            print_pair(&g_array_index(pairs, PatchInsnPair, j), old_insns, new_insns);
    }
}

static void
add_insn(JsonBuilder *builder, const char *side, const PatchInsn *insn, const PatchCode *code)
{
    g_autoptr(GString) bytes = g_string_new(NULL);

    for (guint i = 0; i < insn->length; i++)
        g_string_append_printf(bytes, "%02x", code->bytes->data[insn->offset + i]);
    json_builder_set_member_name(builder, side);
    json_builder_begin_object(builder);
    patch_json_int(builder, "offset", insn->offset);
    patch_json_string(builder, "bytes", bytes->str);
    patch_json_string(builder, "text", insn->text);
    if (*insn->refers)
        patch_json_string(builder, "refers_to", insn->refers);
    if (insn->site)
        patch_json_string(builder, "site", insn->site);
    json_builder_end_object(builder);
}

static void
add_function(JsonBuilder *builder, const PatchObject *object, const PatchCodePair *function)
{
    g_autoptr(GPtrArray) old_insns = patch_disassemble(object, function->old_code);
    g_autoptr(GPtrArray) new_insns = patch_disassemble(object, function->new_code);
    g_autoptr(GArray) pairs = patch_disassembly_align(old_insns, new_insns);

    json_builder_begin_object(builder);
    patch_json_string(builder, "name", function->name);
    patch_json_array(builder, "lines");
    for (guint i = 0; i < pairs->len; i++) {
        const PatchInsnPair *pair = &g_array_index(pairs, PatchInsnPair, i);

        json_builder_begin_object(builder);
        patch_json_boolean(builder, "same", pair->same);
        if (pair->old_insn >= 0)
            add_insn(builder, "old", old_insns->pdata[pair->old_insn], function->old_code);
        if (pair->new_insn >= 0)
            add_insn(builder, "new", new_insns->pdata[pair->new_insn], function->new_code);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

void
patch_show_code_json(JsonBuilder *builder, const PatchObject *object)
{
    g_autoptr(GArray) functions = patch_code_pairs(object);

    patch_json_array(builder, "code");
    for (guint i = 0; i < functions->len; i++)
        add_function(builder, object, &g_array_index(functions, PatchCodePair, i));
    json_builder_end_array(builder);
}
