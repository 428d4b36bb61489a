/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

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

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autoptr(PatchGuest) guest = NULL;
    g_autoptr(GPatternSpec) pattern = NULL;
    g_autoptr(JsonBuilder) json = json_builder_new();
    const IntroSymbol *symbols;
    gsize n_symbols;
    int n_arguments = patch_cli_parse(&patch_cmd_symbols, NULL, argc, argv, 1, 2, error);

    if (n_arguments < 0)
        return FALSE;
    guest = patch_guest_open(argv[1], cli->uri, error);
    if (!guest)
        return FALSE;
    pattern = g_pattern_spec_new(n_arguments == 2 ? argv[2] : "*");
    symbols = intro_symbols_all(intro_kernel_symbols(guest->kernel), &n_symbols);
    json_builder_begin_array(json);
    for (gsize i = 0; i < n_symbols; i++) {
        if (!g_pattern_spec_match_string(pattern, symbols[i].name))
            continue;
        if (cli->json)
            add_json(json, &symbols[i]);
        else
            print_text(&symbols[i]);
    }
    json_builder_end_array(json);
    if (cli->json)
        patch_cli_print_json(json);
    return TRUE;
}

const PatchCommand patch_cmd_symbols = {
    "symbols", "GUEST [PATTERN]", "address, type, name, module, as /proc/kallsyms; PATTERN may hold * and ?", run
};
