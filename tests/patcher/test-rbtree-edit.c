/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "patcher/error.h"
#include "patcher/rbtree-edit.h"

#define ROOT 0x1000
#define FIRST_NODE 0x10000
#define NODE_BYTES 64
#define KEY_OFFSET 32
#define N_NODES 200
#define BLACK 1

/* Memory made of words; what was never written is not there. */
static GHashTable *
memory_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

static void
store(GHashTable *memory, GuestVa va, guint64 word)
{
    g_hash_table_insert(memory, g_memdup2(&va, sizeof va), g_memdup2(&word, sizeof word));
}

static guint64
load(GHashTable *memory, GuestVa va)
{
    const guint64 *word = g_hash_table_lookup(memory, &va);

    g_assert_nonnull(word);
    return *word;
}

static gboolean
read_word(gpointer data, GuestVa va, guint64 *word, GError **error)
{
    const guint64 *found = g_hash_table_lookup(data, &va);

    if (found)
        *word = *found;
    else
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_FAILED, "not there");
    return found != NULL;
}

static GuestVa
node_at(guint index)
{
    return FIRST_NODE + (GuestVa) index * NODE_BYTES;
}

static void
make_node(GHashTable *memory, guint index, guint64 key)
{
    for (guint i = 0; i < NODE_BYTES; i += 8)
        store(memory, node_at(index) + i, 0x5555);
    store(memory, node_at(index) + KEY_OFFSET, key);
}

static const PatchRbTree tree = { ROOT, KEY_OFFSET };

static void
make_edits(GHashTable *memory, PatchEdits *edits)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) list = patch_edits_list(edits, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < list->len; i++) {
        const PatchWordEdit *edit = &g_array_index(list, PatchWordEdit, i);

        g_assert_cmphex(load(memory, edit->va), ==, edit->before);
        g_assert_cmphex(edit->before, !=, edit->after);
        store(memory, edit->va, edit->after);
    }
}

/* Checks order, parents and colours below NODE; returns how many black nodes each way down has. */
static guint
check_subtree(GHashTable *memory, GuestVa node, GuestVa parent, gboolean red_above, guint64 *last, guint *n)
{
    guint64 word, key;
    gboolean red;
    guint left, right;

    if (!node)
        return 1;
    word = load(memory, node);
    red = !(word & BLACK);
    g_assert_cmphex(word & ~(guint64) 3, ==, parent);
    g_assert_false(red && red_above);
    left = check_subtree(memory, load(memory, node + 16), node, red, last, n);
    key = load(memory, node + KEY_OFFSET);
    g_assert_cmpuint(key, >=, *last);
    *last = key;
    ++*n;
    right = check_subtree(memory, load(memory, node + 8), node, red, last, n);
    g_assert_cmpuint(left, ==, right);
    return left + !red;
}

static void
check_tree(GHashTable *memory, guint n_expected)
{
    guint64 last = 0;
    guint n = 0;

    check_subtree(memory, load(memory, ROOT), 0, TRUE, &last, &n);
    g_assert_cmpuint(n, ==, n_expected);
}

static void
insert(GHashTable *memory, guint index)
{
    g_autoptr(PatchEdits) edits = patch_edits_new(read_word, memory);
    guint64 key = load(memory, node_at(index) + KEY_OFFSET);

    g_assert_false(patch_rbtree_has(edits, &tree, node_at(index), key));
    patch_rbtree_insert(edits, &tree, node_at(index), key);
    g_assert_true(patch_rbtree_has(edits, &tree, node_at(index), key));
    make_edits(memory, edits);
}

static void
erase(GHashTable *memory, guint index)
{
    g_autoptr(PatchEdits) edits = patch_edits_new(read_word, memory);

    patch_rbtree_erase(edits, &tree, node_at(index));
    g_assert_false(patch_rbtree_has(edits, &tree, node_at(index), load(memory, node_at(index) + KEY_OFFSET)));
    make_edits(memory, edits);
}

static void
test_random(void)
{
    g_autoptr(GHashTable) memory = memory_new();
    gboolean present[N_NODES] = { FALSE };
    guint n = 0;

    store(memory, ROOT, 0);
    for (guint i = 0; i < N_NODES; i++)
        make_node(memory, i, g_test_rand_int_range(1, 1 << 30) * 2ULL);
    for (guint round = 0; round < 8 * N_NODES; round++) {
        guint index = g_test_rand_int_range(0, N_NODES);

        if (present[index])
            erase(memory, index);
        else
            insert(memory, index);
        present[index] = !present[index];
        n += present[index] ? 1 : -1;
        check_tree(memory, n);
    }
    for (guint i = 0; i < N_NODES; i++)
        if (present[i]) {
            erase(memory, i);
            check_tree(memory, --n);
        }
    g_assert_cmphex(load(memory, ROOT), ==, 0);
}

static void
test_ends(void)
{
    g_autoptr(GHashTable) memory = memory_new();
    g_autoptr(PatchEdits) edits = patch_edits_new(read_word, memory);

    store(memory, ROOT, 0);
    g_assert_cmphex(patch_rbtree_end(edits, &tree, TRUE), ==, 0);
    for (guint i = 0; i < 50; i++) {
        make_node(memory, i, 1000 + i);
        patch_rbtree_insert(edits, &tree, node_at(i), 1000 + i);
    }
    g_assert_cmphex(patch_rbtree_end(edits, &tree, FALSE), ==, node_at(0));
    g_assert_cmphex(patch_rbtree_end(edits, &tree, TRUE), ==, node_at(49));
    make_edits(memory, edits);
    check_tree(memory, 50);
}

/* Inserting and erasing again need not give the same shape, but what was looked at together is one change. */
static void
test_there_and_back(void)
{
    g_autoptr(GHashTable) memory = memory_new();

    store(memory, ROOT, 0);
    for (guint i = 0; i < 40; i++) {
        make_node(memory, i, 10 * i + 1);
        insert(memory, i);
    }
    for (guint i = 40; i < 60; i++) {
        g_autoptr(PatchEdits) edits = patch_edits_new(read_word, memory);

        make_node(memory, i, 7 * i);
        patch_rbtree_insert(edits, &tree, node_at(i), 7 * i);
        patch_rbtree_erase(edits, &tree, node_at(i));
        make_edits(memory, edits);
        check_tree(memory, 40);
    }
}

/* Whatever the guest has put there, there is an end, and an error or a tree. */
static void
test_hostile(void)
{
    for (guint round = 0; round < 2000; round++) {
        g_autoptr(GHashTable) memory = memory_new();
        g_autoptr(PatchEdits) edits = patch_edits_new(read_word, memory);
        g_autoptr(GArray) list = NULL;

        store(memory, ROOT, node_at(g_test_rand_int_range(0, 8)));
        for (guint i = 0; i < 8; i++) {
            make_node(memory, i, g_test_rand_int_range(0, 100));
            for (guint field = 0; field < 24; field += 8)
                if (g_test_rand_int_range(0, 4))
                    store(memory, node_at(i) + field,
                          node_at(g_test_rand_int_range(0, 8)) | (field == 0 ? g_test_rand_int_range(0, 4) : 0));
                else
                    store(memory, node_at(i) + field, 0);
        }
        if (g_test_rand_bit())
            patch_rbtree_insert(edits, &tree, node_at(g_test_rand_int_range(0, 8)), 50);
        else
            patch_rbtree_erase(edits, &tree, node_at(g_test_rand_int_range(0, 8)));
        list = patch_edits_list(edits, NULL);
        g_assert_true((list == NULL) == patch_edits_failed(edits));
    }
}

/* A circle is found to be one. */
static void
test_circle(void)
{
    g_autoptr(GHashTable) memory = memory_new();
    g_autoptr(PatchEdits) edits = patch_edits_new(read_word, memory);
    g_autoptr(GArray) list = NULL;
    g_autoptr(GError) error = NULL;

    make_node(memory, 0, 10);
    make_node(memory, 1, 20);
    store(memory, ROOT, node_at(0));
    store(memory, node_at(0) + 8, node_at(0));
    patch_rbtree_insert(edits, &tree, node_at(1), 20);
    list = patch_edits_list(edits, &error);
    g_assert_null(list);
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rbtree-edit/random", test_random);
    g_test_add_func("/rbtree-edit/ends", test_ends);
    g_test_add_func("/rbtree-edit/there-and-back", test_there_and_back);
    g_test_add_func("/rbtree-edit/hostile", test_hostile);
    g_test_add_func("/rbtree-edit/circle", test_circle);
    return g_test_run();
}
