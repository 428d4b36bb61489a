/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/update.h"

static const char *const site_kind_names[] = {
    [PATCH_SITE_FTRACE] = "ftrace",
    [PATCH_SITE_ALTERNATIVE] = "alternative",
    [PATCH_SITE_PARAVIRT] = "paravirt",
    [PATCH_SITE_SMP_LOCK] = "smp-lock",
    [PATCH_SITE_JUMP_LABEL] = "jump-label",
    [PATCH_SITE_STATIC_CALL] = "static-call",
    [PATCH_SITE_RETPOLINE] = "retpoline",
    [PATCH_SITE_RETURN] = "return",
    [PATCH_SITE_ENDBR] = "endbr",
    [PATCH_SITE_RUNTIME_CONSTANT] = "runtime-constant",
};
G_STATIC_ASSERT(G_N_ELEMENTS(site_kind_names) == PATCH_N_SITE_KINDS);

const char *
patch_hook_kind_name(PatchHookKind kind)
{
    static const char *const names[PATCH_N_HOOK_KINDS] = { "pre-apply", "post-apply", "pre-undo", "post-undo",
                                                          "release" };

    return names[kind];
}

const char *
patch_reason_name(PatchReason reason)
{
    static const char *const names[] = {
        [PATCH_REASON_CHANGED] = "changed", [PATCH_REASON_INLINED] = "inlined", [PATCH_REASON_CALLS] = "calls",
        [PATCH_REASON_COMPILED] = "compiled",
    };

    return names[reason];
}

char *
patch_reason_text(PatchReason reason, const char *cause)
{
    switch (reason) {
    case PATCH_REASON_INLINED:
        return g_strdup_printf("inlines %s, which changed", cause);
    case PATCH_REASON_CALLS:
        return g_strdup_printf("calls %s, which cannot be replaced itself", cause);
    case PATCH_REASON_COMPILED:
        return g_strdup("the compiler made other code of it");
    case PATCH_REASON_CHANGED:
    case PATCH_N_REASONS:
    default:
        return g_strdup("changed");
    }
}

const char *
patch_origin_name(PatchOrigin origin)
{
    return origin == PATCH_ORIGIN_PATCH ? "patch" : "asked";
}

const char *
patch_origin_text(PatchOrigin origin)
{
    return origin == PATCH_ORIGIN_PATCH ? "its initial value changed" : "as asked for";
}

const char *
patch_site_kind_name(PatchSiteKind kind)
{
    return (guint) kind < PATCH_N_SITE_KINDS ? site_kind_names[kind] : "unknown";
}

PatchChoice *
patch_choice_new(guint32 feature)
{
    PatchChoice *choice = g_new0(PatchChoice, 1);

    choice->feature = feature;
    choice->bytes = g_byte_array_new();
    choice->fixups = g_array_new(FALSE, TRUE, sizeof(PatchFixup));
    return choice;
}

void
patch_choice_free(PatchChoice *choice)
{
    if (!choice)
        return;
    g_byte_array_unref(choice->bytes);
    g_array_unref(choice->fixups);
    g_free(choice);
}

PatchSite *
patch_site_new(PatchSiteKind kind, guint32 offset, guint32 length, guint64 arg)
{
    PatchSite *site = g_new0(PatchSite, 1);

    *site = (PatchSite) { .kind = kind, .offset = offset, .length = length, .arg = arg };
    if (kind == PATCH_SITE_ALTERNATIVE)
        site->choices = g_ptr_array_new_with_free_func((GDestroyNotify) patch_choice_free);
    return site;
}

void
patch_site_free(PatchSite *site)
{
    if (!site)
        return;
    g_clear_pointer(&site->choices, g_ptr_array_unref);
    g_free(site);
}

PatchCode *
patch_code_new(void)
{
    PatchCode *code = g_new0(PatchCode, 1);

    code->bytes = g_byte_array_new();
    code->fixups = g_array_new(FALSE, TRUE, sizeof(PatchFixup));
    code->sites = g_ptr_array_new_with_free_func((GDestroyNotify) patch_site_free);
    return code;
}

void
patch_code_free(PatchCode *code)
{
    if (!code)
        return;
    g_byte_array_unref(code->bytes);
    g_array_unref(code->fixups);
    g_ptr_array_unref(code->sites);
    g_free(code);
}

static void
section_free(PatchSection *section)
{
    g_free(section->name);
    g_free(section);
}

static void
symbol_free(PatchSymbol *symbol)
{
    g_free(symbol->name);
    g_free(symbol);
}

static void
old_function_free(PatchOldFunction *function)
{
    patch_code_free(function->code);
    g_free(function);
}

static void
piece_free(PatchPiece *piece)
{
    g_free(piece->name);
    patch_code_free(piece->code);
    g_free(piece);
}

static void
replacement_free(PatchReplacement *replacement)
{
    g_array_unref(replacement->parts);
    g_free(replacement->cause);
    g_free(replacement);
}

static void
datum_free(PatchDatum *datum)
{
    g_free(datum->name);
    g_array_unref(datum->offsets);
    g_byte_array_unref(datum->mask);
    patch_code_free(datum->before);
    patch_code_free(datum->after);
    g_free(datum);
}

PatchObject *
patch_object_new(void)
{
    PatchObject *object = g_new0(PatchObject, 1);

    object->sections = g_ptr_array_new_with_free_func((GDestroyNotify) section_free);
    object->symbols = g_ptr_array_new_with_free_func((GDestroyNotify) symbol_free);
    object->literals = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);
    object->functions = g_ptr_array_new_with_free_func((GDestroyNotify) old_function_free);
    object->pieces = g_ptr_array_new_with_free_func((GDestroyNotify) piece_free);
    object->replacements = g_ptr_array_new_with_free_func((GDestroyNotify) replacement_free);
    object->exceptions = g_array_new(FALSE, FALSE, sizeof(PatchException));
    object->unwinds = g_array_new(FALSE, FALSE, sizeof(PatchUnwind));
    object->data = g_ptr_array_new_with_free_func((GDestroyNotify) datum_free);
    object->hooks = g_array_new(FALSE, FALSE, sizeof(PatchHook));
    return object;
}

void
patch_object_free(PatchObject *object)
{
    if (!object)
        return;
    g_free(object->path);
    g_free(object->module);
    g_ptr_array_unref(object->sections);
    g_ptr_array_unref(object->symbols);
    g_ptr_array_unref(object->literals);
    g_ptr_array_unref(object->functions);
    g_ptr_array_unref(object->pieces);
    g_ptr_array_unref(object->replacements);
    g_array_unref(object->exceptions);
    g_array_unref(object->unwinds);
    g_ptr_array_unref(object->data);
    g_array_unref(object->hooks);
    g_free(object);
}

PatchSection *
patch_object_add_section(PatchObject *object, const char *name, guint64 size, guint64 alignment)
{
    PatchSection *section = g_new0(PatchSection, 1);

    *section = (PatchSection) { .name = g_strdup(name), .size = size, .alignment = alignment };
    g_ptr_array_add(object->sections, section);
    return section;
}

PatchSymbol *
patch_object_add_symbol(PatchObject *object, const char *name, gint32 section, guint64 value, guint64 size)
{
    PatchSymbol *symbol = g_new0(PatchSymbol, 1);

    *symbol = (PatchSymbol) { .name = g_strdup(name), .section = section, .value = value, .size = size };
    g_ptr_array_add(object->symbols, symbol);
    return symbol;
}

PatchOldFunction *
patch_object_add_function(PatchObject *object, guint32 symbol)
{
    PatchOldFunction *function = g_new0(PatchOldFunction, 1);

    *function = (PatchOldFunction) { .symbol = symbol, .code = patch_code_new() };
    g_ptr_array_add(object->functions, function);
    return function;
}

PatchPiece *
patch_object_add_piece(PatchObject *object, const char *name, PatchPieceKind kind, guint64 alignment, guint64 size)
{
    PatchPiece *piece = g_new0(PatchPiece, 1);

    *piece = (PatchPiece) {
        .name = g_strdup(name), .kind = kind, .alignment = alignment, .size = size, .code = patch_code_new(),
    };
    g_ptr_array_add(object->pieces, piece);
    return piece;
}

PatchReplacement *
patch_object_add_replacement(PatchObject *object, guint32 function, guint32 piece, PatchReason reason,
                             const char *cause)
{
    PatchReplacement *replacement = g_new0(PatchReplacement, 1);

    *replacement = (PatchReplacement) {
        .function = function, .piece = piece, .reason = reason, .cause = g_strdup(cause),
        .parts = g_array_new(FALSE, FALSE, sizeof(guint32)),
    };
    g_ptr_array_add(object->replacements, replacement);
    return replacement;
}

PatchDatum *
patch_object_add_datum(PatchObject *object, const char *name, PatchForm form, PatchOrigin origin, guint32 symbol)
{
    PatchDatum *datum = g_new0(PatchDatum, 1);

    *datum = (PatchDatum) {
        .name = g_strdup(name), .form = form, .origin = origin, .symbol = symbol,
        .offsets = g_array_new(FALSE, FALSE, sizeof(guint64)), .mask = g_byte_array_new(),
        .before = patch_code_new(), .after = patch_code_new(),
    };
    g_ptr_array_add(object->data, datum);
    return datum;
}

PatchUpdate *
patch_update_new(void)
{
    PatchUpdate *update = g_new0(PatchUpdate, 1);

    update->objects = g_ptr_array_new_with_free_func((GDestroyNotify) patch_object_free);
    return update;
}

void
patch_update_free(PatchUpdate *update)
{
    if (!update)
        return;
    g_free(update->description);
    g_free(update->kernel);
    g_free(update->build_id);
    g_free(update->compiler);
    g_free(update->patch);
    g_strfreev(update->cves);
    g_strfreev(update->forced);
    g_ptr_array_unref(update->objects);
    g_free(update);
}
