/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/guard.h"
#include "vmm/will.h"

static const VmmChunk proof = { { 0x1000 }, "proof", 5 };

static void
assert_says(const VmmWill *will, const char *expected)
{
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) chunks = vmm_will_read(will, &store);
    g_autoptr(GString) text = g_string_new(NULL);

    g_assert_nonnull(chunks);
    for (guint i = 0; i < chunks->len; i++) {
        const VmmChunk *chunk = &g_array_index(chunks, VmmChunk, i);

        g_string_append_printf(text, "%lx:%.*s ", (unsigned long)chunk->pa.value, (int)chunk->length,
                               (const char *)chunk->data);
    }
    g_assert_cmpstr(text->str, ==, expected);
    g_assert_cmpint(vmm_will_is_empty(will), ==, chunks->len == 0);
}

static void
test_replaced(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmWill) will = vmm_will_new(&error);
    g_autofree char *large = g_strnfill(100000, 'x');
    const VmmChunk two[] = { { { 0x2000 }, "ab", 2 }, { { 0x1f00 }, "c", 1 } };
    const VmmChunk much = { { 0x3000 }, large, 100000 };

    g_assert_no_error(error);
    assert_says(will, "");
    for (guint i = 0; i < 3; i++) {
        g_autofree char *expected = g_strdup_printf("1000:proof 3000:%s ", large);

        g_assert_true(vmm_will_write(will, &proof, two, 2, &error));
        assert_says(will, "1000:proof 2000:ab 1f00:c ");
        g_assert_true(vmm_will_write(will, &proof, &much, 1, &error));
        assert_says(will, expected);
    }
    vmm_will_clear(will);
    assert_says(will, "");
}

/* What the guard does: says what it was left. */
static void
tell(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) chunks = vmm_will_read(will, &store);
    const VmmChunk *last = &g_array_index(chunks, VmmChunk, chunks->len - 1);

    dprintf(GPOINTER_TO_INT(data), "%s %d %.*s", order->machine, order->may_be_paused, (int)last->length,
            (const char *)last->data);
}

typedef enum { NO_WILL, WILL, WILL_CLEARED } Kind;

/* Runs a process that arms its guard, disarms it, and dies; returns what the guard said. */
static char *
die_with(Kind kind)
{
    const VmmGuardOrder order = { .machine = "m", .may_be_paused = TRUE };
    const VmmChunk chunk = { { 0x2000 }, "last", 4 };
    char text[64] = "";
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    if (fork() == 0) {
        VmmGuard *guard = vmm_guard_new(tell, GINT_TO_POINTER(fds[1]), fds[1], NULL);

        if (guard == NULL || !vmm_guard_arm(guard, &order, NULL))
            _exit(1);
        if (kind != NO_WILL && !vmm_will_write(vmm_guard_will(guard), &proof, &chunk, 1, NULL))
            _exit(1);
        if (kind == WILL_CLEARED)
            vmm_will_clear(vmm_guard_will(guard));
        vmm_guard_disarm(guard);
        raise(SIGKILL);
    }
    close(fds[1]);
    for (gsize length = 0; length < sizeof text - 1;) {
        ssize_t n = read(fds[0], text + length, sizeof text - 1 - length);

        if (n <= 0)
            break;
        length += n;
    }
    close(fds[0]);
    while (wait(NULL) > 0)
        ;
    return g_strdup(text);
}

static void
test_carried_out(void)
{
    g_autofree char *without = die_with(NO_WILL), *with = die_with(WILL), *cleared = die_with(WILL_CLEARED);

    g_assert_cmpstr(without, ==, "");
    g_assert_cmpstr(with, ==, "m 0 last");
    g_assert_cmpstr(cleared, ==, "");
}

/* Whoever leaves a will gets to know that nobody is there to read it. */
static void
test_guard_is_killed(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmGuard) guard = vmm_guard_new(tell, NULL, -1, &error);
    g_autofree char *children = NULL;
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());

    g_assert_no_error(error);
    g_assert_true(vmm_guard_check(guard, &error));
    if (!g_file_get_contents(path, &children, NULL, NULL)) {
        g_test_skip("this kernel does not list children");
        return;
    }
    kill(g_ascii_strtoll(children, NULL, 10), SIGKILL);
    while (vmm_guard_check(guard, NULL))
        g_usleep(1000);
    g_assert_false(vmm_guard_check(guard, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/will/replaced", test_replaced);
    g_test_add_func("/vmm/will/carried-out", test_carried_out);
    g_test_add_func("/vmm/will/guard-is-killed", test_guard_is_killed);
    return g_test_run();
}
