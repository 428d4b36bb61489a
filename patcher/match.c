/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/match.h"

#include <string.h>

#include "introspect/probes.h"
#include "patcher/error.h"
#include "patcher/guestcode.h"
#include "patcher/lookup.h"

#define KPROBE_BYTES 5

/* Addresses are 0 as long as they are not known; nothing of a kernel lies there. */
struct PatchResolved {
    const IntroKernel *kernel;
    const PatchArena *arena;
    const PatchObject *object;
    csh decoder;
    GuestVa *section_va;        /* by section */
    GuestVa *symbol_va;         /* by symbol; those of other objects, and those that another object's override */
    GuestVa *function_va;       /* by function */
};

static const PatchSymbol *
symbol_of(const PatchObject *object, guint32 index)
{
    return object->symbols->pdata[index];
}

static const char *
module_of(const PatchObject *object)
{
    return *object->module ? object->module : NULL;
}

void
patch_resolved_free(PatchResolved *resolved)
{
    if (!resolved)
        return;
    if (resolved->decoder)
        cs_close(&resolved->decoder);
    g_free(resolved->section_va);
    g_free(resolved->symbol_va);
    g_free(resolved->function_va);
    g_free(resolved);
}

const PatchObject *
patch_resolved_object(const PatchResolved *resolved)
{
    return resolved->object;
}

GuestVa
patch_resolved_function(const PatchResolved *resolved, guint32 index)
{
    return resolved->function_va[index];
}

static char *
hex(const guint8 *bytes, gsize length)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < length; i++)
        g_string_append_printf(text, "%s%02x", i ? " " : "", bytes[i]);
    return g_string_free(text, FALSE);
}

static gboolean
literal_is_there(PatchCompare *compare, guint32 index, GuestVa va)
{
    GBytes *literal = compare->object->literals->pdata[index];
    gsize length;
    const guint8 *bytes = g_bytes_get_data(literal, &length);
    g_autofree guint8 *live = g_malloc(length);

    return intro_space_read(intro_kernel_space(compare->kernel), va, live, length, NULL) &&
           memcmp(live, bytes, length) == 0;
}

/* A field that the linker filled in: what does it refer to? */
static gboolean
compare_fixup(PatchCompare *compare, const PatchFixup *fixup, guint8 *covered, char **why)
{
    GuestVa va = patch_fixup_value(fixup, compare->live + fixup->offset, compare->va + fixup->offset);
    PatchBinding binding = { fixup->index, va };

    if (covered[fixup->offset])
        return TRUE;
    memset(covered + fixup->offset, 1, patch_fixup_bytes(fixup));
    if (fixup->target == PATCH_TARGET_SYMBOL) {
        g_array_append_val(compare->bindings, binding);
        return TRUE;
    }
    if (literal_is_there(compare, fixup->index, va))
        return TRUE;
    *why = g_strdup_printf("at +%#x it refers to other read-only data", fixup->offset);
    return FALSE;
}

/* The kernel makes longer nops of the padding behind an instruction that has alternatives. */
static void
cover_padding(PatchCompare *compare, const PatchSite *site, guint8 *covered)
{
    const guint8 *old = compare->code->bytes->data;
    guint32 end = site->offset + site->length, start = end;

    while (start > site->offset && old[start - 1] == 0x90 && !covered[start - 1])
        start--;
    if (start < end && patch_only_nops(compare->decoder, compare->live + start, end - start))
        memset(covered + start, 1, end - start);
}

static void
cover_sites(PatchCompare *compare, guint8 *covered)
{
    for (guint i = 0; i < compare->code->sites->len; i++) {
        const PatchSite *site = compare->code->sites->pdata[i];

        if (patch_site_explains(compare, site))
            memset(covered + site->offset, 1, site->length);
    }
    for (guint i = 0; i < compare->code->sites->len; i++) {
        const PatchSite *site = compare->code->sites->pdata[i];

        if (site->kind == PATCH_SITE_ALTERNATIVE)
            cover_padding(compare, site, covered);
    }
}

/* A kprobe changes up to five bytes from where it is, to a breakpoint or to a jump. */
static gboolean
is_kprobed(const PatchCompare *compare, guint offset)
{
    g_autoptr(GArray) kprobes = intro_kprobes(compare->kernel, NULL);
    GuestVa va = compare->va + offset;

    for (guint i = 0; kprobes && i < kprobes->len; i++)
        if (va - g_array_index(kprobes, GuestVa, i) < KPROBE_BYTES)
            return TRUE;
    return FALSE;
}

static gboolean
compare_rest(const PatchCompare *compare, const guint8 *covered, char **why)
{
    const GByteArray *old = compare->code->bytes;

    for (guint i = 0; i < old->len; i++) {
        g_autofree char *expected = NULL, *found = NULL;

        if (covered[i] || old->data[i] == compare->live[i])
            continue;
        expected = hex(old->data + i, MIN(8, old->len - i));
        found = hex(compare->live + i, MIN(8, old->len - i));
        *why = g_strdup_printf("at +%#x the update expects %s, the guest runs %s%s", i, expected, found,
                               is_kprobed(compare, i) ? " (somebody has set a kprobe there)" : "");
        return FALSE;
    }
    return TRUE;
}

static gboolean
compare_code(PatchCompare *compare, char **why)
{
    g_autofree guint8 *covered = g_malloc0(compare->code->bytes->len);

    cover_sites(compare, covered);
    for (guint i = 0; i < compare->code->fixups->len; i++)
        if (!compare_fixup(compare, &g_array_index(compare->code->fixups, PatchFixup, i), covered, why))
            return FALSE;
    return compare_rest(compare, covered, why);
}

/* A weak function of the object may have lost against another object's: then its name means that one, wherever the
 * object's own code lies. */
static gboolean
is_overridden(const PatchResolved *resolved, const GuestVa *section_va, const PatchBinding *binding)
{
    const PatchSymbol *symbol = symbol_of(resolved->object, binding->symbol);
    GuestVa section = symbol->section >= 0 ? section_va[symbol->section] : 0, va;

    return section && symbol->is_global && binding->va != section + symbol->value &&
           patch_lookup(resolved->kernel, resolved->object, symbol->name, &va, NULL) && va == binding->va;
}

static gboolean
check_binding(const PatchResolved *resolved, const GuestVa *section_va, const GuestVa *symbol_va,
              const PatchBinding *binding, char **why)
{
    const PatchSymbol *symbol = symbol_of(resolved->object, binding->symbol);
    GuestVa known = symbol->section >= 0 ? section_va[symbol->section] : symbol_va[binding->symbol];
    GuestVa seen = symbol->section >= 0 ? binding->va - symbol->value : binding->va;

    if (known && known != seen && !is_overridden(resolved, section_va, binding)) {
        *why = g_strdup_printf("it refers to %s in two places", symbol->name);
        return FALSE;
    }
    if (symbol->section < 0 && !patch_lookup_agrees(resolved->kernel, resolved->object, symbol->name, binding->va)) {
        *why = g_strdup_printf("where the update refers to %s, the guest refers to something else", symbol->name);
        return FALSE;
    }
    return TRUE;
}

/* Takes over what a match has taught, or nothing of it. */
static gboolean
learn(PatchResolved *resolved, const GArray *bindings, char **why)
{
    const PatchObject *object = resolved->object;
    g_autofree GuestVa *section_va = g_memdup2(resolved->section_va, object->sections->len * sizeof(GuestVa));
    g_autofree GuestVa *symbol_va = g_memdup2(resolved->symbol_va, object->symbols->len * sizeof(GuestVa));

    for (guint i = 0; i < bindings->len; i++) {
        const PatchBinding *binding = &g_array_index(bindings, PatchBinding, i);
        const PatchSymbol *symbol = symbol_of(object, binding->symbol);

        if (!check_binding(resolved, section_va, symbol_va, binding, why))
            return FALSE;
        if (symbol->section >= 0 && !is_overridden(resolved, section_va, binding))
            section_va[symbol->section] = binding->va - symbol->value;
        else
            symbol_va[binding->symbol] = binding->va;
    }
    memcpy(resolved->section_va, section_va, object->sections->len * sizeof(GuestVa));
    memcpy(resolved->symbol_va, symbol_va, object->symbols->len * sizeof(GuestVa));
    return TRUE;
}

static gboolean
may_be(const PatchCompare *compare, const PatchBinding *binding)
{
    const PatchSymbol *symbol = symbol_of(compare->object, binding->symbol);

    return symbol->section >= 0 || patch_lookup_agrees(compare->kernel, compare->object, symbol->name, binding->va);
}

/* Compares one function with what runs at VA; what that teaches goes to BINDINGS. */
static gboolean
match_at(const PatchResolved *resolved, const PatchOldFunction *function, GuestVa va, GArray *bindings, char **why)
{
    gsize length = function->code->bytes->len;
    g_autofree guint8 *live = g_malloc(length);
    PatchBinding own = { function->symbol, va };
    PatchCompare compare = {
        .kernel = resolved->kernel, .object = resolved->object, .decoder = resolved->decoder, .code = function->code,
        .live = live, .va = va, .bindings = bindings, .may_be = may_be,
    };

    g_array_set_size(bindings, 0);
    g_array_append_val(bindings, own);
    if (!intro_space_read(intro_kernel_space(resolved->kernel), va, live, length, NULL)) {
        *why = g_strdup("its code cannot be read");
        return FALSE;
    }
    patch_arena_take_jumps_out(resolved->arena, va, live, length);
    return compare_code(&compare, why);
}

/* Where FUNCTION may run: one place once its section is known, else wherever a symbol of its name is. */
static GArray *
candidates(const PatchResolved *resolved, const PatchSymbol *symbol)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    GuestVa section = resolved->section_va[symbol->section];
    guint n_named;

    if (section) {
        GuestVa va = section + symbol->value;

        g_array_append_val(found, va);
    } else {
        g_autofree const IntroSymbol **named =
            intro_symbols_named(intro_kernel_symbols(resolved->kernel), module_of(resolved->object), symbol->name,
                                &n_named);

        for (guint i = 0; i < n_named; i++)
            g_array_append_val(found, named[i]->va);
    }
    return found;
}

static gboolean
runs_at_start(const PatchResolved *resolved, const PatchSymbol *symbol)
{
    const PatchSection *section = resolved->object->sections->pdata[symbol->section];

    return g_str_has_prefix(section->name, ".init.");
}

typedef enum { MATCH_NONE, MATCH_ONE, MATCH_SEVERAL } MatchResult;

static MatchResult
match_function(PatchResolved *resolved, guint32 index, char **why)
{
    const PatchOldFunction *function = resolved->object->functions->pdata[index];
    const PatchSymbol *symbol = symbol_of(resolved->object, function->symbol);
    g_autoptr(GArray) places = candidates(resolved, symbol);
    g_autoptr(GArray) bindings = g_array_new(FALSE, FALSE, sizeof(PatchBinding));
    guint n_matching = 0;
    GuestVa match = 0;

    if (places->len == 0)
        *why = g_strdup(runs_at_start(resolved, symbol) ? "it ran when the module was loaded, and is gone since"
                        : *resolved->object->module ? "the guest's module has no function of that name"
                                                    : "the guest's kernel has no function of that name");
    for (guint i = 0; i < places->len; i++) {
        GuestVa va = g_array_index(places, GuestVa, i);

        g_clear_pointer(why, g_free);
        if (match_at(resolved, function, va, bindings, why)) {
            match = va;
            n_matching++;
        }
    }
    if (n_matching != 1)
        return n_matching == 0 ? MATCH_NONE : MATCH_SEVERAL;
    if (places->len > 1)
        match_at(resolved, function, match, bindings, why);
    g_clear_pointer(why, g_free);
    if (!learn(resolved, bindings, why))
        return MATCH_NONE;
    resolved->function_va[index] = match;
    return MATCH_ONE;
}

static void
set_mismatch(GError **error, const PatchResolved *resolved, guint32 index, const char *why)
{
    const PatchOldFunction *function = resolved->object->functions->pdata[index];

    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "%s: %s is not the code this update was made for: %s. The update was made from another source, "
                "configuration or compiler than the guest's kernel (%s)", resolved->object->path,
                symbol_of(resolved->object, function->symbol)->name, why, intro_kernel_version(resolved->kernel));
}

/* A function whose name is ambiguous is decided once another one has located its section, so passes are made until
 * nothing more is learnt. */
static gboolean
match_functions(PatchResolved *resolved, GError **error)
{
    guint n_functions = resolved->object->functions->len, n_left = n_functions, before;

    do {
        before = n_left;
        for (guint32 i = 0; i < n_functions; i++) {
            g_autofree char *why = NULL;
            MatchResult result = resolved->function_va[i] ? MATCH_SEVERAL : match_function(resolved, i, &why);

            if (result == MATCH_NONE) {
                set_mismatch(error, resolved, i, why);
                return FALSE;
            }
            if (result == MATCH_ONE)
                n_left--;
        }
    } while (n_left > 0 && n_left < before);
    for (guint32 i = 0; i < n_functions; i++)
        if (!resolved->function_va[i]) {
            set_mismatch(error, resolved, i, "several functions of that name have this code");
            return FALSE;
        }
    return TRUE;
}

PatchResolved *
patch_match_object(const IntroKernel *kernel, const PatchArena *arena, const PatchObject *object, GError **error)
{
    g_autoptr(PatchResolved) resolved = g_new0(PatchResolved, 1);

    resolved->kernel = kernel;
    resolved->arena = arena;
    resolved->object = object;
    resolved->section_va = g_new0(GuestVa, MAX(object->sections->len, 1));
    resolved->symbol_va = g_new0(GuestVa, MAX(object->symbols->len, 1));
    resolved->function_va = g_new0(GuestVa, MAX(object->functions->len, 1));
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &resolved->decoder) != CS_ERR_OK) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "capstone cannot decode x86-64 here");
        return NULL;
    }
    if (!match_functions(resolved, error))
        return NULL;
    return g_steal_pointer(&resolved);
}

/* Whether the guest's kernel means another object's by the name of a symbol that the object defines, as it does where that
 * one is weak. VA is where it is. */
static gboolean
is_elsewhere(const PatchResolved *resolved, const PatchSymbol *symbol, GuestVa *va)
{
    GuestVa section = symbol->section >= 0 ? resolved->section_va[symbol->section] : 0;

    return section && symbol->is_global && patch_lookup(resolved->kernel, resolved->object, symbol->name, va, NULL) &&
           *va != section + symbol->value;
}

gboolean
patch_resolved_is_overridden(const PatchResolved *resolved, guint32 index)
{
    const PatchOldFunction *function = resolved->object->functions->pdata[index];
    GuestVa va;

    return is_elsewhere(resolved, symbol_of(resolved->object, function->symbol), &va);
}

gboolean
patch_resolved_symbol(const PatchResolved *resolved, guint32 index, GuestVa *va, GError **error)
{
    const PatchSymbol *symbol = symbol_of(resolved->object, index);

    if (resolved->symbol_va[index]) {
        *va = resolved->symbol_va[index];
        return TRUE;
    }
    if (is_elsewhere(resolved, symbol, va))
        return TRUE;
    if (symbol->section < 0)
        return patch_lookup(resolved->kernel, resolved->object, symbol->name, va, error);
    if (resolved->section_va[symbol->section]) {
        *va = resolved->section_va[symbol->section] + symbol->value;
        return TRUE;
    }
    if (symbol->is_global)
        return patch_lookup(resolved->kernel, resolved->object, symbol->name, va, error);
    if (patch_lookup_own(resolved->kernel, resolved->object, symbol->name, va))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "%s: nothing in the running code tells where %s is, and the guest's kernel has none or several of that name",
                resolved->object->path, symbol->name);
    return FALSE;
}
