/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list: the domains as `virsh list` has them, with each guest's kernel and what is installed in it.
 */
#include "patcher/arena.h"
#include "patcher/command.h"
#include "patcher/guest.h"
#include "vmm/domains.h"

/* What was seen in a domain; a domain that cannot be looked at is no failure of the list. */
typedef struct {
    PatchGuest *guest;      /* NULL: not reached */
    char *release;          /* NULL: not seen */
    GPtrArray *updates;     /* of char *: id, and what is wrong with it if anything is; NULL: not seen */
    guint n_damaged;
    GError *problem;        /* why nothing was seen, or NULL */
} Sight;

static void
sight_free(Sight *sight)
{
    g_clear_pointer(&sight->guest, patch_guest_free);
    g_free(sight->release);
    g_clear_pointer(&sight->updates, g_ptr_array_unref);
    g_clear_error(&sight->problem);
    g_free(sight);
}

static void
look_at(Sight *sight)
{
    g_autoptr(PatchArena) arena = NULL;
    GPtrArray *records;

    if (!sight->guest || !patch_guest_look(sight->guest, &sight->problem))
        return;
    sight->release = g_strdup(intro_kernel_release(sight->guest->kernel));
    arena = patch_arena_open(sight->guest->kernel, &sight->problem);
    if (!arena)
        return;
    records = patch_arena_records(arena);
    sight->updates = g_ptr_array_new_with_free_func(g_free);
    sight->n_damaged = patch_arena_damaged(arena)->len;
    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        g_ptr_array_add(sight->updates, g_strconcat(record->id, record->state == PATCH_STATE_INSTALLED ?
                                                    NULL : " (interrupted)", NULL));
    }
}

static char *
describe_updates(const Sight *sight)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!sight->updates)
        return g_strdup("-");
    for (guint i = 0; i < sight->updates->len; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", (const char *) sight->updates->pdata[i]);
    if (sight->n_damaged > 0)
        g_string_append_printf(text, "%s%u damaged", text->len ? ", " : "", sight->n_damaged);
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : g_strdup("none");
}

static void
print_text(const VmmDomain *domain, const Sight *sight)
{
    g_autofree char *id = domain->id < 0 ? g_strdup("-") : g_strdup_printf("%" G_GINT64_FORMAT, domain->id);
    g_autofree char *updates = describe_updates(sight);

    g_print(" %-4s %-24s %-12s %-26s %s\n", id, domain->name, domain->state, sight->release ? sight->release : "-",
            updates);
}

static void
print_json(JsonBuilder *json, const VmmDomain *domain, const Sight *sight)
{
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "id");
    if (domain->id < 0)
        json_builder_add_null_value(json);
    else
        json_builder_add_int_value(json, domain->id);
    patch_json_string(json, "name", domain->name);
    patch_json_string(json, "uuid", domain->uuid);
    patch_json_string(json, "state", domain->state);
    if (sight->release)
        patch_json_string(json, "release", sight->release);
    if (sight->updates) {
        patch_json_texts(json, "updates", sight->updates);
        patch_json_int(json, "damaged_records", sight->n_damaged);
    }
    if (sight->problem)
        patch_json_string(json, "problem", sight->problem->message);
    json_builder_end_object(json);
}

static void
show(const PatchCli *cli, JsonBuilder *json, const VmmDomain *domain, Sight *sight)
{
    look_at(sight);
    if (cli->json)
        print_json(json, domain, sight);
    else
        print_text(domain, sight);
    if (!cli->json && sight->problem && !cli->quiet)
        g_printerr("%s: %s\n", domain->name, sight->problem->message);
}

/* Once the first guest is looked at, no other can be reached. */
static GPtrArray *
reach_all(GPtrArray *domains, const char *uri)
{
    GPtrArray *sights = g_ptr_array_new_with_free_func((GDestroyNotify) sight_free);

    for (guint i = 0; i < domains->len; i++) {
        const VmmDomain *domain = domains->pdata[i];
        Sight *sight = g_new0(Sight, 1);

        if (domain->problem)
            sight->problem = g_error_copy(domain->problem);
        else if (domain->id >= 0)
            sight->guest = patch_guest_reach(domain->uuid, uri, &sight->problem);
        g_ptr_array_add(sights, sight);
    }
    return sights;
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    gboolean all = FALSE;
    const GOptionEntry options[] = {
        { "all", 0, 0, G_OPTION_ARG_NONE, &all, "domains that do not run, too", NULL },
        G_OPTION_ENTRY_NULL
    };
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(GPtrArray) domains = NULL, sights = NULL;

    if (patch_cli_parse(&patch_cmd_list, options, argc, argv, 0, 0, error) < 0)
        return FALSE;
    domains = vmm_domains_list(cli->uri, all, error);
    if (!domains)
        return FALSE;
    vmm_domains_probe(domains, cli->uri);
    sights = reach_all(domains, cli->uri);
    json_builder_begin_array(json);
    if (!cli->json)
        g_print(" %-4s %-24s %-12s %-26s %s\n", "Id", "Name", "State", "Kernel", "Updates");
    for (guint i = 0; i < domains->len; i++)
        show(cli, json, domains->pdata[i], sights->pdata[i]);
    json_builder_end_array(json);
    if (cli->json)
        patch_cli_print_json(json);
    return TRUE;
}

const PatchCommand patch_cmd_list = { "list", "", "the domains, with each guest's kernel and updates", run };
