/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/agent.h"

#include "patcher/agent-facts.h"
#include "vmm/json.h"
#include "vmm/socket.h"

#define PORT "org.virt-livepatch.agent.0"
#define PROTOCOL 1
#define ANSWER_US (20 * G_USEC_PER_SEC)
#define ALL_ANSWERS_US (60 * G_USEC_PER_SEC)
#define MAX_ANSWER_BYTES (8u << 20)
#define MAX_STALE 16                /* answers that somebody before us did not wait for, in all */
#define MAX_VALUE_CHARS 4096
/* A difference counts if it is there each time. */
#define ROUNDS 3

struct PatchAgent {
    int fd;
    GString *received;
    guint last_request, n_stale;
    gint64 patience_us;             /* for all answers that are still to come */
    gint64 pid;                     /* of the agent, in the guest */
};

static const char *const words[] = { "kernel", "kallsyms", "modules", "livepatch", "tasks", "stacks" };

static void
difference_free(PatchDifference *difference)
{
    g_free(difference->what);
    g_free(difference->guest);
    g_free(difference->host);
    g_free(difference);
}

void
patch_comparison_free(PatchComparison *comparison)
{
    if (!comparison)
        return;
    g_ptr_array_unref(comparison->differences);
    g_free(comparison);
}

PatchAgent *
patch_agent_connect(VmmMachine *machine, const char *path, GError **error)
{
    g_autofree char *found = path ? g_strdup(path) : vmm_machine_find_channel(machine, PORT, error);
    PatchAgent *agent;
    int fd = found ? vmm_socket_connect(found, error) : -1;

    if (fd < 0) {
        g_prefix_error(error, "the guest's agent: ");
        return NULL;
    }
    agent = g_new0(PatchAgent, 1);
    agent->fd = fd;
    agent->received = g_string_new(NULL);
    agent->patience_us = ALL_ANSWERS_US;
    return agent;
}

void
patch_agent_free(PatchAgent *agent)
{
    if (!agent)
        return;
    vmm_fd_clear(&agent->fd);
    g_string_free(agent->received, TRUE);
    g_free(agent);
}

/* ---- Answers ---- */

/* What a guest says ends on somebody's terminal. */
static char *
printable(const char *text)
{
    char *copy = g_strndup(text, MAX_VALUE_CHARS);

    for (char *c = copy; *c; c++)
        if (!g_ascii_isprint(*c))
            *c = '?';
    return copy;
}

static void
add_string(GHashTable *facts, const char *what, JsonObject *answer, const char *member)
{
    const char *value = vmm_json_string(answer, member);

    if (value)
        g_hash_table_insert(facts, g_strdup(what), printable(value));
}

static char *
join_frames(JsonObject *stack)
{
    JsonNode *node = json_object_get_member(stack, "frames");
    JsonArray *frames = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; frames && i < json_array_get_length(frames) && text->len < MAX_VALUE_CHARS; i++) {
        JsonNode *frame = json_array_get_element(frames, i);

        if (JSON_NODE_HOLDS_VALUE(frame) && json_node_get_value_type(frame) == G_TYPE_STRING)
            g_string_append_printf(text, "%s%s", i ? " < " : "", json_node_get_string(frame));
    }
    return printable(text->str);
}

/* One element of the lists that there are. */
static void
add_element(GHashTable *facts, const char *word, JsonObject *element)
{
    const char *name = vmm_json_string(element, "name"), *base = vmm_json_string(element, "base");
    gint64 pid, size;

    if (g_str_equal(word, "modules") && name && base && vmm_json_int(element, "size", &size)) {
        g_autofree char *what = g_strdup_printf("module %s", name);
        g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT " bytes at %s", size, base);

        g_hash_table_insert(facts, printable(what), printable(value));
    } else if (g_str_equal(word, "tasks") && name && vmm_json_int(element, "pid", &pid)) {
        g_hash_table_insert(facts, g_strdup_printf("task %" G_GINT64_FORMAT, pid), printable(name));
    } else if (g_str_equal(word, "stacks") && vmm_json_int(element, "pid", &pid)) {
        g_hash_table_insert(facts, g_strdup_printf("stack of %" G_GINT64_FORMAT, pid), join_frames(element));
    } else if (g_str_equal(word, "livepatch") && name) {
        g_autofree char *what = g_strdup_printf("livepatch %s", name);

        g_hash_table_insert(facts, printable(what), g_strdup("there"));
        if (g_strcmp0(vmm_json_string(element, "transition"), "1") == 0)
            g_hash_table_replace(facts, g_strdup("livepatch in transition"), g_strdup("yes"));
    }
}

static GHashTable *
read_answer(JsonObject *answer, const char *word)
{
    g_autoptr(GHashTable) facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) elements = NULL;
    gint64 symbols;

    if (g_str_equal(word, "kernel")) {
        add_string(facts, "release", answer, "release");
        add_string(facts, "version", answer, "version");
        add_string(facts, "build-id", answer, "build_id");
        return g_steal_pointer(&facts);
    }
    if (g_str_equal(word, "kallsyms")) {
        if (vmm_json_int(answer, "symbols", &symbols))
            g_hash_table_insert(facts, g_strdup("symbols"), g_strdup_printf("%" G_GINT64_FORMAT, symbols));
        add_string(facts, "digest of symbols", answer, "sha256");
        return g_steal_pointer(&facts);
    }
    if (g_str_equal(word, "livepatch"))
        g_hash_table_insert(facts, g_strdup("livepatch in transition"), g_strdup("no"));
    elements = vmm_json_objects(json_object_get_member(answer, g_str_equal(word, "livepatch") ? "patches" : word));
    for (guint i = 0; elements && i < elements->len; i++)
        add_element(facts, word, elements->pdata[i]);
    return elements ? g_steal_pointer(&facts) : NULL;
}

/* ---- Questions ---- */

static char *
receive_line(PatchAgent *agent, gint64 deadline, GError **error)
{
    gsize searched = 0;

    for (;;) {
        const char *end = memchr(agent->received->str + searched, '\n', agent->received->len - searched);
        char *line;

        if (end) {
            line = g_strndup(agent->received->str, end - agent->received->str);
            g_string_erase(agent->received, 0, end + 1 - agent->received->str);
            return line;
        }
        searched = agent->received->len;
        if (searched > MAX_ANSWER_BYTES) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the guest's agent answers without end");
            return NULL;
        }
        if (!vmm_socket_receive(agent->fd, agent->received, deadline, error)) {
            g_prefix_error(error, "the guest's agent: ");
            return NULL;
        }
    }
}

/* What the agent says to the request that was just sent; NULL without an error if it is the answer to another. */
static JsonObject *
receive_answer(PatchAgent *agent, gint64 deadline, GError **error)
{
    g_autofree char *line = receive_line(agent, deadline, error);
    g_autoptr(JsonObject) answer = line ? vmm_json_parse(line, NULL) : NULL;
    g_autofree char *refused = NULL;
    gint64 protocol, number;

    if (!answer || !vmm_json_int(answer, "request", &number) || number != agent->last_request)
        return NULL;
    refused = vmm_json_string(answer, "error") ? printable(vmm_json_string(answer, "error")) : NULL;
    vmm_json_int(answer, "agent", &agent->pid);
    if (!refused && vmm_json_int(answer, "protocol", &protocol) && protocol == PROTOCOL)
        return g_steal_pointer(&answer);
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the guest's agent: %s",
                refused ? refused : "it speaks another protocol");
    return NULL;
}

static JsonObject *
ask_until(PatchAgent *agent, const char *word, gint64 deadline, GError **error)
{
    g_autofree char *request = g_strdup_printf("%u %s\n", ++agent->last_request, word);
    GError *cause = NULL;

    if (!vmm_socket_send(agent->fd, request, strlen(request), deadline, error))
        return NULL;
    for (; agent->n_stale < MAX_STALE; agent->n_stale++) {
        JsonObject *answer = receive_answer(agent, deadline, &cause);

        if (cause)
            g_propagate_error(error, cause);
        if (answer || cause)
            return answer;
    }
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the guest's agent answers what was not asked");
    return NULL;
}

static JsonObject *
ask(PatchAgent *agent, const char *word, GError **error)
{
    gint64 began = g_get_monotonic_time();
    JsonObject *answer = ask_until(agent, word, began + MIN(ANSWER_US, agent->patience_us), error);

    agent->patience_us = MAX(agent->patience_us - (g_get_monotonic_time() - began), 0);
    return answer;
}

GHashTable *
patch_agent_ask(PatchAgent *agent, const char *word, GError **error)
{
    g_autoptr(JsonObject) answer = ask(agent, word, error);
    GHashTable *facts = answer ? read_answer(answer, word) : NULL;

    if (answer && !facts)
        g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the guest's agent gave no answer to \"%s\"", word);
    return facts;
}

/* ---- Comparing ---- */

static void
add_difference(GHashTable *differences, const char *what, const char *guest, const char *host)
{
    PatchDifference *difference = g_new0(PatchDifference, 1);

    difference->what = g_strdup(what);
    difference->guest = g_strdup(guest);
    difference->host = g_strdup(host);
    g_hash_table_insert(differences, difference->what, difference);
}

/* A stack that is not sure from outside, or the agent's own, which runs while it looks, says nothing. */
static gboolean
is_comparable(const PatchAgent *agent, const char *word, const char *what, const char *host)
{
    g_autofree char *own = g_strdup_printf("stack of %" G_GINT64_FORMAT, agent->pid);

    return !g_str_equal(word, "stacks") || (host && !g_str_equal(what, own));
}

/* Of what the guest said the same before and after the host looked, and of what only the host saw. Returns how much. */
static guint
compare_facts(const PatchAgent *agent, const char *word, GHashTable *before, GHashTable *host, GHashTable *after,
              GHashTable *differences)
{
    GHashTableIter iter;
    gpointer what, value;
    guint n = 0;

    g_hash_table_iter_init(&iter, before);
    while (g_hash_table_iter_next(&iter, &what, &value)) {
        const char *seen = g_hash_table_lookup(host, what);

        if (g_strcmp0(value, g_hash_table_lookup(after, what)) != 0 || !is_comparable(agent, word, what, seen))
            continue;
        n++;
        if (g_strcmp0(value, seen) != 0)
            add_difference(differences, what, value, seen);
    }
    g_hash_table_iter_init(&iter, host);
    while (!g_str_equal(word, "stacks") && g_hash_table_iter_next(&iter, &what, &value))
        if (!g_hash_table_contains(before, what) && !g_hash_table_contains(after, what)) {
            n++;
            add_difference(differences, what, NULL, value);
        }
    return n;
}

static gboolean
compare_word(PatchAgent *agent, const IntroKernel *kernel, const char *word, guint *n_compared, GHashTable *differences,
             GError **error)
{
    g_autoptr(GHashTable) before = patch_agent_ask(agent, word, error);
    g_autoptr(GHashTable) host = before ? patch_host_facts(kernel, word, error) : NULL;
    g_autoptr(GHashTable) after = host ? patch_agent_ask(agent, word, error) : NULL;

    if (!after)
        return FALSE;
    *n_compared += compare_facts(agent, word, before, host, after, differences);
    return TRUE;
}

static gboolean
is_gone(gpointer what, gpointer value, gpointer data)
{
    return !g_hash_table_contains(data, what);
}

static GHashTable *
new_differences(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) difference_free);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    const PatchDifference *left = *(PatchDifference *const *) a, *right = *(PatchDifference *const *) b;

    return g_strcmp0(left->what, right->what);
}

PatchComparison *
patch_agent_compare(PatchAgent *agent, const IntroKernel *kernel, GError **error)
{
    g_autoptr(PatchComparison) comparison = g_new0(PatchComparison, 1);
    GHashTableIter iter;
    gpointer what, difference;

    comparison->differences = g_ptr_array_new_with_free_func((GDestroyNotify) difference_free);
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GHashTable) differences = new_differences();
        guint n = 0;

        if (!compare_word(agent, kernel, words[i], &n, differences, error))
            return NULL;
        for (guint round = 1; round < ROUNDS && g_hash_table_size(differences) > 0; round++) {
            g_autoptr(GHashTable) again = new_differences();
            guint ignored = 0;

            if (!compare_word(agent, kernel, words[i], &ignored, again, error))
                return NULL;
            g_hash_table_foreach_remove(differences, is_gone, again);
        }
        comparison->n_compared += n;
        g_hash_table_iter_init(&iter, differences);
        while (g_hash_table_iter_next(&iter, &what, &difference)) {
            g_ptr_array_add(comparison->differences, difference);
            g_hash_table_iter_steal(&iter);
        }
    }
    g_ptr_array_sort(comparison->differences, compare_names);
    return g_steal_pointer(&comparison);
}
