/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "introspect/generated.h"
#include "patcher/command.h"
#include "patcher/guest.h"

static void
print_text(const IntroSymbol *symbol)
{
    printf("%016" G_GINT64_MODIFIER "x %c %s", symbol->va, symbol->type, symbol->name);
    if (symbol->module)
        printf("\t[%s]", symbol->module);
    putchar('\n');
}

static void
add_json(JsonBuilder *json, const IntroSymbol *symbol)
{
    const char type[] = { symbol->type, '\0' };

    json_builder_begin_object(json);
    patch_json_address(json, "address", symbol->va);
    patch_json_string(json, "type", type);
    patch_json_string(json, "name", symbol->name);
    if (symbol->module)
        patch_json_string(json, "module", symbol->module);
    json_builder_end_object(json);
}

/* As kallsyms lists what the kernel generates. */
static IntroSymbol
as_symbol(const IntroGenerated *generated)
{
    return (IntroSymbol) {
        .va = generated->start, .name = generated->name, .module = generated->module, .type = 't',
        .size = generated->end - generated->start,
    };
}

static void
show(const PatchCli *cli, JsonBuilder *json, GPatternSpec *pattern, const IntroSymbol *symbol)
{
    if (!g_pattern_spec_match_string(pattern, symbol->name))
        return;
    if (cli->json)
        add_json(json, symbol);
    else
        print_text(symbol);
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(GPatternSpec) pattern = NULL;
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(GArray) generated = NULL;
    const IntroSymbol *symbols;
    gsize n_symbols, next = 0;
    int n_arguments = patch_cli_parse(&patch_cmd_symbols, NULL, argc, argv, 1, 2, error);

    if (n_arguments < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    generated = guest ? intro_generated_read(guest->kernel, error) : NULL;
    if (!generated)
        return FALSE;
    pattern = g_pattern_spec_new(n_arguments == 2 ? argv[2] : "*");
    symbols = intro_symbols_all(intro_kernel_symbols(guest->kernel), &n_symbols);
    json_builder_begin_array(json);
    for (guint i = 0; i <= generated->len; i++) {
        IntroSymbol symbol = i < generated->len ? as_symbol(&g_array_index(generated, IntroGenerated, i))
                                                : (IntroSymbol) { .va = G_MAXUINT64 };

        while (next < n_symbols && symbols[next].va <= symbol.va)
            show(cli, json, pattern, &symbols[next++]);
        if (i < generated->len)
            show(cli, json, pattern, &symbol);
    }
    json_builder_end_array(json);
    if (cli->json)
        patch_cli_print_json(json);
    return TRUE;
}

const PatchCommand patch_cmd_symbols = {
    "symbols", "GUEST [PATTERN]", "address, type, name, module, as /proc/kallsyms; PATTERN may hold * and ?", run
};
