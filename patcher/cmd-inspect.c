/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/condition.h"
#include "introspect/module-sections.h"
#include "patcher/agent.h"
#include "patcher/arena.h"
#include "patcher/command.h"
#include "patcher/guest.h"
#include "patcher/room.h"

typedef struct {
    guint64 memory_bytes;
    guint64 text_room, data_room;   /* bytes of unused kernel image */
    gboolean has_allocator;         /* whose memory will do too */
    guint n_installed, n_damaged;
    char *state;
    PatchComparison *comparison;    /* with what the guest's agent says, or NULL */
    IntroCondition *condition;
    GArray *holes;                  /* of IntroHole */
} Findings;

static void
findings_clear(Findings *findings)
{
    g_free(findings->state);
    g_clear_pointer(&findings->comparison, patch_comparison_free);
    intro_condition_free(findings->condition);
    g_clear_pointer(&findings->holes, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Findings, findings_clear)

static const char *const lockdowns[] = {
    [INTRO_LOCKDOWN_NONE] = "none", [INTRO_LOCKDOWN_INTEGRITY] = "integrity",
    [INTRO_LOCKDOWN_CONFIDENTIALITY] = "confidentiality",
};

static gboolean
gather(const PatchGuest *guest, Findings *findings, GError **error)
{
    const VmmReader *reader = vmm_machine_reader(guest->machine);
    g_autoptr(PatchArena) arena = patch_arena_open(guest->kernel, error);
    const VmmRange *ranges;
    gboolean running;
    guint n_ranges;

    if (!arena || !vmm_machine_is_running(guest->machine, &running, &findings->state, error))
        return FALSE;
    findings->holes = intro_kernel_holes(guest->kernel, error);
    if (!findings->holes || !(findings->condition = intro_condition_new(guest->kernel, error)))
        return FALSE;
    for (guint i = 0; i < findings->holes->len; i++) {
        const IntroHole *hole = &g_array_index(findings->holes, IntroHole, i);

        *(hole->executable ? &findings->text_room : &findings->data_room) += hole->length;
    }
    ranges = vmm_reader_ranges(reader, &n_ranges);
    for (guint i = 0; i < n_ranges; i++)
        findings->memory_bytes += ranges[i].length;
    findings->n_installed = patch_arena_records(arena)->len;
    findings->n_damaged = patch_arena_damaged(arena)->len;
    findings->has_allocator = patch_room_check(guest->kernel, NULL);
    return TRUE;
}

static void
print_comparison(const PatchComparison *comparison)
{
    g_print("agent:        says the same of %u things", comparison->n_compared - comparison->differences->len);
    g_print(comparison->differences->len > 0 ? ", and not of %u:\n" : "\n", comparison->differences->len);
    for (guint i = 0; i < comparison->differences->len; i++) {
        const PatchDifference *difference = comparison->differences->pdata[i];

        g_print("  %s\n    guest: %s\n    host:  %s\n", difference->what,
                difference->guest ? difference->guest : "(nothing)", difference->host ? difference->host : "(nothing)");
    }
}

static void
print_condition(const IntroCondition *condition)
{
    const IntroLiveText *text = &condition->text;

    g_print("crashed:      %s\n", condition->has_panicked ? "yes, its kernel has panicked" : "no");
    g_print("lockdown:     %s\n", lockdowns[condition->lockdown]);
    /* One whose memory is encrypted is not looked at at all. */
    g_print("encryption:   none\n");
    g_print("paravirt:     %s\n", condition->hypervisor ? condition->hypervisor : "none");
    g_print("own patches:  %u", condition->livepatches->len);
    for (guint i = 0; i < condition->livepatches->len; i++)
        g_print("%s%s", i ? ", " : ": ", (const char *) condition->livepatches->pdata[i]);
    g_print("%s\n", condition->livepatch_in_transition ? " (one is in transition)" : "");
    g_print("live text:    %u static keys (%u jump), %u static calls (%u off), %u ftrace sites (%u call), %u kprobes, "
            "%u tracers%s\n", text->n_static_keys, text->n_static_keys_jumping, text->n_static_calls,
            text->n_static_calls_off, text->n_ftrace_sites, text->n_ftrace_calls, text->n_kprobes, text->n_tracers,
            text->lock_prefixes_removed ? ", no lock prefixes" : "");
}

static gboolean
is_patchable(const Findings *findings)
{
    return findings->text_room > 0 || findings->has_allocator;
}

static void
print_text(const PatchGuest *guest, const Findings *findings)
{
    const IntroKernel *kernel = guest->kernel;
    GPtrArray *modules = intro_kernel_modules(kernel);

    g_print("guest:        %s (%s)\n", vmm_machine_name(guest->machine), findings->state);
    g_print("kernel:       %s\n", intro_kernel_release(kernel));
    g_print("version:      %s\n", intro_kernel_version(kernel));
    g_print("build-id:     %s\n", intro_kernel_build_id(kernel));
    g_print("text:         %#" G_GINT64_MODIFIER "x (KASLR offset %#" G_GINT64_MODIFIER "x)\n",
            intro_kernel_text_start(kernel), intro_kernel_kaslr_offset(kernel));
    g_print("vCPUs:        %u\n", vmm_reader_n_vcpus(vmm_machine_reader(guest->machine)));
    g_print("memory:       %" G_GUINT64_FORMAT " MiB\n", findings->memory_bytes >> 20);
    g_print("modules:      %u\n", modules->len);
    for (guint i = 0; i < modules->len; i++) {
        const IntroModule *module = modules->pdata[i];

        g_print("  %-24s %8" G_GUINT64_FORMAT " at %#" G_GINT64_MODIFIER "x\n", module->name, module->size,
                module->base);
    }
    print_condition(findings->condition);
    g_print("patchable:    %s (unused kernel image: %" G_GUINT64_FORMAT " KiB for code, %" G_GUINT64_FORMAT
            " KiB for data%s)\n", is_patchable(findings) ? "yes" : "no", findings->text_room >> 10,
            findings->data_room >> 10, findings->has_allocator ? "; more from its own allocator" : "");
    g_print("updates:      %u installed%s\n", findings->n_installed, findings->n_damaged ? ", and damaged records" : "");
    if (findings->comparison)
        print_comparison(findings->comparison);
}

/* A module that is being unloaded may have none any more. */
static void
add_sections(JsonBuilder *json, const IntroKernel *kernel, const IntroModule *module)
{
    g_autoptr(GArray) sections = intro_module_sections(kernel, module, NULL);

    patch_json_array(json, "sections");
    for (guint i = 0; sections && i < sections->len; i++) {
        const IntroModuleSection *section = &g_array_index(sections, IntroModuleSection, i);

        json_builder_begin_object(json);
        patch_json_string(json, "name", section->name);
        patch_json_address(json, "address", section->va);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void
add_modules(JsonBuilder *json, const IntroKernel *kernel)
{
    GPtrArray *modules = intro_kernel_modules(kernel);

    patch_json_array(json, "modules");
    for (guint i = 0; i < modules->len; i++) {
        const IntroModule *module = modules->pdata[i];
        const char state[] = { module->state, '\0' };

        json_builder_begin_object(json);
        patch_json_string(json, "name", module->name);
        patch_json_string(json, "state", state);
        patch_json_int(json, "size", module->size);
        patch_json_address(json, "base", module->base);
        add_sections(json, kernel, module);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void
add_comparison(JsonBuilder *json, const PatchComparison *comparison)
{
    json_builder_set_member_name(json, "agent");
    json_builder_begin_object(json);
    patch_json_int(json, "compared", comparison->n_compared);
    patch_json_array(json, "differences");
    for (guint i = 0; i < comparison->differences->len; i++) {
        const PatchDifference *difference = comparison->differences->pdata[i];

        json_builder_begin_object(json);
        patch_json_string(json, "what", difference->what);
        if (difference->guest)
            patch_json_string(json, "guest", difference->guest);
        if (difference->host)
            patch_json_string(json, "host", difference->host);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
}

static void
add_condition(JsonBuilder *json, const IntroCondition *condition)
{
    const IntroLiveText *text = &condition->text;

    patch_json_boolean(json, "crashed", condition->has_panicked);
    patch_json_string(json, "lockdown", lockdowns[condition->lockdown]);
    patch_json_string(json, "encryption", "none");
    if (condition->hypervisor)
        patch_json_string(json, "paravirt", condition->hypervisor);
    patch_json_texts(json, "own_livepatches", condition->livepatches);
    patch_json_boolean(json, "own_livepatch_in_transition", condition->livepatch_in_transition);
    json_builder_set_member_name(json, "live_text");
    json_builder_begin_object(json);
    patch_json_int(json, "ftrace_sites", text->n_ftrace_sites);
    patch_json_int(json, "ftrace_calls", text->n_ftrace_calls);
    patch_json_int(json, "static_keys", text->n_static_keys);
    patch_json_int(json, "static_keys_jumping", text->n_static_keys_jumping);
    patch_json_int(json, "static_calls", text->n_static_calls);
    patch_json_int(json, "static_calls_off", text->n_static_calls_off);
    patch_json_int(json, "kprobes", text->n_kprobes);
    patch_json_int(json, "tracers", text->n_tracers);
    patch_json_boolean(json, "lock_prefixes_removed", text->lock_prefixes_removed);
    json_builder_end_object(json);
}

static void
add_holes(JsonBuilder *json, GArray *holes)
{
    patch_json_array(json, "holes");
    for (guint i = 0; i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);

        json_builder_begin_object(json);
        patch_json_address(json, "address", hole->va);
        patch_json_int(json, "length", hole->length);
        patch_json_boolean(json, "executable", hole->executable);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void
add_cpus(JsonBuilder *json, const IntroKernel *kernel)
{
    patch_json_array(json, "cpus");
    for (guint cpu = 0; cpu < intro_kernel_n_cpus(kernel); cpu++) {
        guint64 base;

        if (!intro_kernel_percpu_offset(kernel, cpu, &base, NULL))
            continue;
        json_builder_begin_object(json);
        patch_json_int(json, "cpu", cpu);
        patch_json_address(json, "percpu_offset", base);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

static void
add_features(JsonBuilder *json, const IntroKernel *kernel)
{
    g_auto(GStrv) names = intro_kernel_cpu_feature_names(kernel);

    patch_json_strings(json, "cpu_features", names);
}

static void
print_json(const PatchGuest *guest, const Findings *findings)
{
    const IntroKernel *kernel = guest->kernel;
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    patch_json_string(json, "guest", vmm_machine_name(guest->machine));
    patch_json_string(json, "state", findings->state);
    patch_json_string(json, "release", intro_kernel_release(kernel));
    patch_json_string(json, "version", intro_kernel_version(kernel));
    patch_json_string(json, "build_id", intro_kernel_build_id(kernel));
    patch_json_address(json, "text", intro_kernel_text_start(kernel));
    patch_json_address(json, "kaslr_offset", intro_kernel_kaslr_offset(kernel));
    patch_json_int(json, "vcpus", vmm_reader_n_vcpus(vmm_machine_reader(guest->machine)));
    patch_json_int(json, "memory_bytes", findings->memory_bytes);
    add_modules(json, kernel);
    add_condition(json, findings->condition);
    add_cpus(json, kernel);
    add_features(json, kernel);
    add_holes(json, findings->holes);
    patch_json_boolean(json, "patchable", is_patchable(findings));
    patch_json_int(json, "text_room_bytes", findings->text_room);
    patch_json_int(json, "data_room_bytes", findings->data_room);
    patch_json_boolean(json, "allocator", findings->has_allocator);
    patch_json_int(json, "updates", findings->n_installed);
    patch_json_int(json, "damaged_records", findings->n_damaged);
    if (findings->comparison)
        add_comparison(json, findings->comparison);
    json_builder_end_object(json);
    patch_cli_print_json(json);
}

/* GLib would take what comes next for an option's optional value: of `--with-agent=SOCKET` the value, or NULL, to be
 * freed; the option stays. */
static char *
take_agent_socket(int argc, char **argv)
{
    static const char option[] = "--with-agent=";

    for (int i = 1; i < argc; i++)
        if (g_str_has_prefix(argv[i], option)) {
            char *value = g_strdup(argv[i] + strlen(option));

            argv[i][strlen(option) - 1] = '\0';
            return value;
        }
    return NULL;
}

/* The agent is connected to before privileges are given up. */
static gboolean
look(const PatchCli *cli, const char *name, gboolean with_agent, const char *agent_socket, PatchGuest **found,
     Findings *findings, GError **error)
{
    g_autoptr(PatchGuest) guest = patch_guest_reach(name, cli->uri, error);
    g_autoptr(PatchAgent) agent = NULL;

    if (!guest)
        return FALSE;
    if (with_agent) {
        agent = patch_agent_connect(guest->machine, agent_socket, error);
        if (!agent)
            return FALSE;
    }
    if (!patch_guest_look(guest, error) || !gather(guest, findings, error))
        return FALSE;
    if (agent)
        findings->comparison = patch_agent_compare(agent, guest->kernel, error);
    *found = g_steal_pointer(&guest);
    return !agent || findings->comparison;
}

static gboolean
run(const PatchCli *cli, int argc, char **argv, int *status, GError **error)
{
    g_autofree char *agent_socket = take_agent_socket(argc, argv);
    gboolean with_agent = FALSE;
    const GOptionEntry options[] = {
        { "with-agent", 0, 0, G_OPTION_ARG_NONE, &with_agent,
          "compare with what the agent inside the guest says; =SOCKET: where it is", NULL },
        G_OPTION_ENTRY_NULL
    };
    g_autoptr(PatchGuest) guest = NULL;
    g_auto(Findings) findings = { 0 };

    if (patch_cli_parse(&patch_cmd_inspect, options, argc, argv, 1, 1, error) < 0
        || !look(cli, argv[1], with_agent, agent_socket, &guest, &findings, error))
        return FALSE;
    if (cli->json)
        print_json(guest, &findings);
    else
        print_text(guest, &findings);
    return patch_guest_require_alive(guest, error);
}

const PatchCommand patch_cmd_inspect = {
    "inspect", "GUEST", "kernel release, build-id, KASLR offset, vCPUs, modules, memory, patchability", run
};
