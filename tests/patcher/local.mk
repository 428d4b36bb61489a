
check_PROGRAMS += tests/patcher/test-update
TESTS += tests/patcher/test-update
tests_patcher_test_update_SOURCES = tests/patcher/test-update.c tests/patcher/sample-update.c \
	tests/patcher/sample-update.h
tests_patcher_test_update_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-history
TESTS += tests/patcher/test-history
tests_patcher_test_history_SOURCES = tests/patcher/test-history.c
tests_patcher_test_history_LDADD = libpatcher.a libintrospect.a libvmm.a $(SQLITE_LIBS) $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-record
TESTS += tests/patcher/test-record
tests_patcher_test_record_SOURCES = tests/patcher/test-record.c
tests_patcher_test_record_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-guestcode
TESTS += tests/patcher/test-guestcode
tests_patcher_test_guestcode_SOURCES = tests/patcher/test-guestcode.c tests/introspect/btf-writer.c \
	tests/introspect/btf-writer.h
tests_patcher_test_guestcode_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-diff tests/patcher/test-kbuild tests/patcher/test-source
TESTS += tests/patcher/test-diff tests/patcher/test-kbuild tests/patcher/test-source
tests_patcher_test_diff_SOURCES = tests/patcher/test-diff.c
tests_patcher_test_diff_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
tests_patcher_test_kbuild_SOURCES = tests/patcher/test-kbuild.c
tests_patcher_test_kbuild_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)
tests_patcher_test_source_SOURCES = tests/patcher/test-source.c
tests_patcher_test_source_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-merge
TESTS += tests/patcher/test-merge
tests_patcher_test_merge_SOURCES = tests/patcher/test-merge.c
tests_patcher_test_merge_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-rbtree-edit
TESTS += tests/patcher/test-rbtree-edit
tests_patcher_test_rbtree_edit_SOURCES = tests/patcher/test-rbtree-edit.c
tests_patcher_test_rbtree_edit_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-known-tables
TESTS += tests/patcher/test-known-tables
tests_patcher_test_known_tables_SOURCES = tests/patcher/test-known-tables.c
tests_patcher_test_known_tables_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-diff-cases
TESTS += tests/patcher/test-diff-cases
tests_patcher_test_diff_cases_SOURCES = tests/patcher/test-diff-cases.c tests/patcher/diff-cases.c \
	tests/patcher/diff-cases.h
tests_patcher_test_diff_cases_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-escape
TESTS += tests/patcher/test-escape
tests_patcher_test_escape_SOURCES = tests/patcher/test-escape.c tests/patcher/diff-cases.c tests/patcher/diff-cases.h
tests_patcher_test_escape_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-disassembly
TESTS += tests/patcher/test-disassembly
tests_patcher_test_disassembly_SOURCES = tests/patcher/test-disassembly.c
tests_patcher_test_disassembly_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-setting
TESTS += tests/patcher/test-setting
tests_patcher_test_setting_SOURCES = tests/patcher/test-setting.c
tests_patcher_test_setting_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)

check_PROGRAMS += tests/patcher/test-hook-table
TESTS += tests/patcher/test-hook-table
tests_patcher_test_hook_table_SOURCES = tests/patcher/test-hook-table.c tests/patcher/diff-cases.c \
	tests/patcher/diff-cases.h
tests_patcher_test_hook_table_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-carry
TESTS += tests/patcher/test-carry
tests_patcher_test_carry_SOURCES = tests/patcher/test-carry.c tests/patcher/diff-cases.c \
	tests/patcher/diff-cases.h
tests_patcher_test_carry_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-initial
TESTS += tests/patcher/test-initial
tests_patcher_test_initial_SOURCES = tests/patcher/test-initial.c tests/patcher/diff-cases.c tests/patcher/diff-cases.h
tests_patcher_test_initial_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-new-code
TESTS += tests/patcher/test-new-code
tests_patcher_test_new_code_SOURCES = tests/patcher/test-new-code.c tests/patcher/diff-cases.c \
	tests/patcher/diff-cases.h
tests_patcher_test_new_code_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-shadow
TESTS += tests/patcher/test-shadow
tests_patcher_test_shadow_SOURCES = tests/patcher/test-shadow.c
tests_patcher_test_shadow_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-unwind-table
TESTS += tests/patcher/test-unwind-table
tests_patcher_test_unwind_table_SOURCES = tests/patcher/test-unwind-table.c tests/patcher/diff-cases.c \
	tests/patcher/diff-cases.h
tests_patcher_test_unwind_table_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-words
TESTS += tests/patcher/test-words
tests_patcher_test_words_SOURCES = tests/patcher/test-words.c
tests_patcher_test_words_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-type-changes
TESTS += tests/patcher/test-type-changes
tests_patcher_test_type_changes_SOURCES = tests/patcher/test-type-changes.c tests/patcher/diff-cases.c \
	tests/patcher/diff-cases.h
tests_patcher_test_type_changes_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/patcher/test-run
TESTS += tests/patcher/test-run
tests_patcher_test_run_SOURCES = tests/patcher/test-run.c
tests_patcher_test_run_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)
