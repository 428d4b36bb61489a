/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <elf.h>

#include "tests/patcher/sample-update.h"

static void
add_fixup(GArray *fixups, guint32 offset, guint32 type, gint64 addend, PatchTargetKind target, guint32 index)
{
    PatchFixup fixup = { offset, type, addend, target, index };

    g_array_append_val(fixups, fixup);
}

static void
fill(PatchCode *code, guint length)
{
    for (guint i = 0; i < length; i++)
        g_byte_array_append(code->bytes, &(guint8) { i * 7 }, 1);
}

static void
add_sites(PatchCode *code)
{
    PatchSite *alternative = patch_site_new(PATCH_SITE_ALTERNATIVE, 8, 6, 0);
    PatchChoice *choice = patch_choice_new(0x8021);

    g_ptr_array_add(code->sites, patch_site_new(PATCH_SITE_FTRACE, 0, 5, 0));
    g_byte_array_append(choice->bytes, (const guint8 *) "\350\0\0\0\0", 5);
    add_fixup(choice->fixups, 1, R_X86_64_PLT32, -4, PATCH_TARGET_SYMBOL, 1);
    g_ptr_array_add(alternative->choices, choice);
    g_ptr_array_add(alternative->choices, patch_choice_new(7));
    g_ptr_array_add(code->sites, alternative);
    g_ptr_array_add(code->sites, patch_site_new(PATCH_SITE_JUMP_LABEL, 20, 2, 3));
    g_ptr_array_add(code->sites, patch_site_new(PATCH_SITE_RETURN, 27, 5, 0));
}

static void
add_data(PatchObject *object)
{
    PatchDatum *masked, *pointer;

    patch_object_add_section(object, ".data", 64, 16);
    patch_object_add_symbol(object, "settings", 1, 16, 24);
    masked = patch_object_add_datum(object, "settings.flag", PATCH_FORM_NUMBER, PATCH_ORIGIN_ASKED, 2);
    g_array_append_val(masked->offsets, ((guint64) { 20 }));
    g_byte_array_append(masked->mask, (const guint8 *) "\060\0\0\0", 4);
    fill(masked->before, 4);
    fill(masked->after, 4);
    pointer = patch_object_add_datum(object, "settings->show", PATCH_FORM_BYTES, PATCH_ORIGIN_PATCH, 2);
    g_array_append_val(pointer->offsets, ((guint64) { 16 }));
    g_array_append_val(pointer->offsets, ((guint64) { 1024 }));
    fill(pointer->before, 8);
    add_fixup(pointer->before->fixups, 0, R_X86_64_64, 0, PATCH_TARGET_SYMBOL, 1);
    fill(pointer->after, 8);
    add_fixup(pointer->after->fixups, 0, R_X86_64_64, 0, PATCH_TARGET_PIECE, 0);
}

static PatchObject *
sample_object(void)
{
    PatchObject *object = patch_object_new();
    PatchOldFunction *old;
    PatchPiece *text, *data;
    PatchReplacement *replacement;

    object->path = g_strdup("fs/proc/sample.o");
    object->module = g_strdup("");
    patch_object_add_section(object, ".text", 64, 16);
    patch_object_add_symbol(object, "sample_show", 0, 16, 32)->is_function = TRUE;
    patch_object_add_symbol(object, "elsewhere", -1, 0, 0)->is_global = TRUE;
    g_ptr_array_add(object->literals, g_bytes_new_static("hello", 6));
    old = patch_object_add_function(object, 0);
    fill(old->code, 32);
    add_fixup(old->code->fixups, 15, R_X86_64_32S, 0, PATCH_TARGET_LITERAL, 0);
    add_sites(old->code);
    text = patch_object_add_piece(object, "sample_show", PATCH_PIECE_TEXT, 16, 32);
    fill(text->code, 32);
    add_fixup(text->code->fixups, 15, R_X86_64_PC32, -4, PATCH_TARGET_PIECE, 1);
    add_sites(text->code);
    data = patch_object_add_piece(object, "counter", PATCH_PIECE_DATA, 8, 8);
    fill(data->code, 8);
    add_fixup(data->code->fixups, 0, R_X86_64_64, -0x7fffffff, PATCH_TARGET_SYMBOL, 1);
    patch_object_add_piece(object, "buffer", PATCH_PIECE_BSS, 64, 4096);
    replacement = patch_object_add_replacement(object, 0, 0, PATCH_REASON_INLINED, "helper");
    g_array_append_vals(replacement->parts, &(guint32) { 0 }, 1);
    g_array_append_val(object->exceptions, ((PatchException) { 0, 4, 0, 30, -1, 3 }));
    g_array_append_val(object->exceptions, ((PatchException) { 0, 9, 0, 30, 1, 0 }));
    object->unwind_bytes = 6;
    g_array_append_val(object->unwinds, ((PatchUnwind) { 0, 0, 0x500080005 }));
    g_array_append_val(object->unwinds, ((PatchUnwind) { 0, 31, 0x500080008 }));
    add_data(object);
    g_array_append_val(object->hooks, ((PatchHook) { PATCH_HOOK_PRE_UNDO, 7, 0 }));
    return object;
}

PatchUpdate *
sample_update_new(void)
{
    static const char *const cves[] = { "CVE-2026-1", "CVE-2026-2", NULL }, *const forced[] = { "layout", NULL };
    PatchUpdate *update = patch_update_new();

    update->description = g_strdup("a sample\nin two lines");
    update->kernel = g_strdup("6.1.192");
    update->build_id = g_strdup("00ff12");
    update->compiler = g_strdup("gcc (Debian 12.2.0-14) 12.2.0");
    update->patch = g_strdup("--- a/fs/proc/sample.c\n+++ b/fs/proc/sample.c\n@@ -1 +1 @@\n-\351\n+\352\n");
    update->cves = g_strdupv((char **) cves);
    update->forced = g_strdupv((char **) forced);
    g_ptr_array_add(update->objects, sample_object());
    return update;
}
