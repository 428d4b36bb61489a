/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/thunks.h"

#define JUMP_PREFIX     "__x86_indirect_"
#define MAX_JUMP_THUNKS 64
#define WORD            ((gint16) sizeof(guint64))

/* Each with a thunk for each register, one behind the other. */
static const char *const jump_arrays[INTRO_N_JUMP_THUNKS] = {
    "__x86_indirect_thunk_array", "__x86_indirect_call_thunk_array", "__x86_indirect_jump_thunk_array",
    "__x86_indirect_its_thunk_array",
};

static const char *const return_thunks[INTRO_N_RETURN_THUNKS] = {
    "__x86_return_thunk", "retbleed_return_thunk", "srso_return_thunk", "srso_safe_ret", "srso_alias_return_thunk",
    "srso_alias_safe_ret", "its_return_thunk", "call_depth_return_thunk",
};

static gboolean
is_inside(const IntroRegion *region, GuestVa va)
{
    return va >= region->start && va < region->end;
}

static gboolean
is_in_any(const IntroRegion *regions, gsize n, GuestVa va)
{
    for (gsize i = 0; i < n; i++)
        if (is_inside(&regions[i], va))
            return TRUE;
    return FALSE;
}

/* The symbol NAME, and those behind it that begin with PREFIX. */
static IntroRegion
find_region(const IntroSymbols *symbols, const char *name, const char *prefix)
{
    IntroRegion region = { 0 };
    const IntroSymbol *symbol;

    if (!intro_symbols_address(symbols, name, &region.start, NULL))
        return region;
    region.end = region.start;
    for (guint i = 0; i < MAX_JUMP_THUNKS; i++) {
        symbol = intro_symbols_at(symbols, region.end, NULL);
        if (symbol == NULL || symbol->size == 0 || (i > 0 && !g_str_has_prefix(symbol->name, prefix)))
            break;
        region.end = symbol->va + symbol->size;
    }
    return region;
}

void
intro_thunks_init(IntroThunks *thunks, const IntroSymbols *symbols)
{
    for (gsize i = 0; i < G_N_ELEMENTS(jump_arrays); i++)
        thunks->jumps[i] = find_region(symbols, jump_arrays[i], JUMP_PREFIX);
    for (gsize i = 0; i < G_N_ELEMENTS(return_thunks); i++)
        thunks->returns[i] = find_region(symbols, return_thunks[i], return_thunks[i]);
}

/* mov %REG,(%rsp) */
static gboolean
is_store_to_top(const guint8 *code)
{
    return (code[0] & 0xfb) == 0x48 && code[1] == 0x89 && (code[2] & 0xc7) == 0x04 && code[3] == 0x24;
}

/*
 * A retpoline calls itself, stores where to jump in the place of that call's return address, and returns there. The kernel's
 * data speak only of the last step, and, as for any return, of a caller. Before the first step, and between the two, they know
 * nothing, or call it the end of the stack. Thunks without a return jump with the stack as they found it.
 */
gboolean
intro_thunks_entry(const IntroThunks *thunks, const IntroSpace *space, GuestVa ip, IntroOrcEntry *entry)
{
    gboolean is_return = entry->type == INTRO_ORC_CALL;
    guint8 code[4];

    if (!is_in_any(thunks->jumps, G_N_ELEMENTS(thunks->jumps), ip)
        || !intro_space_read(space, ip, code, sizeof code, NULL))
        return FALSE;
    *entry = (IntroOrcEntry) {
        .type = INTRO_ORC_CALL, .sp_register = INTRO_ORC_REG_SP, .sp_offset = is_store_to_top(code) ? 2 * WORD : WORD,
        .bp_register = INTRO_ORC_REG_UNDEFINED, .signal = is_return,
    };
    return TRUE;
}

/* No function that was called last by one without a return address behind the call returns, so that a return to the first byte
 * of a function is none. */
gboolean
intro_thunks_is_jump(const IntroThunks *thunks, const IntroSymbols *symbols, GuestVa from, GuestVa to)
{
    const IntroSymbol *symbol;

    if (!is_in_any(thunks->returns, G_N_ELEMENTS(thunks->returns), from))
        return FALSE;
    symbol = intro_symbols_at(symbols, to, NULL);
    return symbol != NULL && symbol->va == to;
}
