/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/mutex.h"

#include "tests/introspect/btf-writer.h"

/* The BTF of a kernel whose struct mutex has MEMBERS. */
static IntroBtf *
btf_of_mutex(BtfWriter *writer, const BtfWriterMember *members, guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) section = NULL;
    IntroBtf *btf;

    btf_writer_composite(writer, BTF_STRUCT, "mutex", 64, FALSE, members, n);
    section = btf_writer_finish(writer);
    btf = intro_btf_new(section, &error);
    g_assert_no_error(error);
    return btf;
}

static void
assert_owner(const IntroBtf *btf, gsize expected)
{
    g_autoptr(GError) error = NULL;
    gsize offset = 0;

    intro_mutex_owner(btf, &offset, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(offset, ==, expected);
}

static void
test_plain(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 word = btf_writer_int(writer, "long", 8);
    const BtfWriterMember members[] = { { "wait_lock", word, 0 }, { "owner", word, 64 } };
    g_autoptr(IntroBtf) btf = btf_of_mutex(writer, members, 2);

    assert_owner(btf, 8);
}

static void
test_realtime(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 word = btf_writer_int(writer, "long", 8);
    const BtfWriterMember base[] = { { "wait_lock", word, 0 }, { "waiters", word, 64 }, { "owner", word, 192 } };
    guint32 base_id = btf_writer_composite(writer, BTF_STRUCT, "rt_mutex_base", 32, FALSE, base, 3);
    const BtfWriterMember members[] = { { "rtmutex", base_id, 64 } };
    g_autoptr(IntroBtf) btf = btf_of_mutex(writer, members, 1);

    assert_owner(btf, 32);
}

static void
test_unknown(void)
{
    g_autoptr(BtfWriter) writer = btf_writer_new();
    guint32 word = btf_writer_int(writer, "long", 8);
    const BtfWriterMember members[] = { { "count", word, 0 } };
    g_autoptr(IntroBtf) btf = btf_of_mutex(writer, members, 1);
    g_autoptr(GError) error = NULL;
    gsize offset;

    g_assert_false(intro_mutex_owner(btf, &offset, &error));
    g_assert_error(error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mutex/plain", test_plain);
    g_test_add_func("/mutex/with PREEMPT_RT", test_realtime);
    g_test_add_func("/mutex/unknown", test_unknown);
    return g_test_run();
}
