# What stands in for a kernel.
FAKE_KERNEL = tests/introspect/btf-writer.c tests/introspect/btf-writer.h tests/introspect/fake-kernel.c \
	tests/introspect/fake-kernel.h tests/fake-guest.c tests/fake-guest.h

check_PROGRAMS += tests/introspect/test-cursor
TESTS += tests/introspect/test-cursor
tests_introspect_test_cursor_SOURCES = tests/introspect/test-cursor.c
tests_introspect_test_cursor_LDADD = libintrospect.a $(GLIB_LIBS)

check_PROGRAMS += tests/introspect/test-space
TESTS += tests/introspect/test-space
tests_introspect_test_space_SOURCES = tests/introspect/test-space.c tests/fake-guest.c tests/fake-guest.h
tests_introspect_test_space_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-kallsyms
TESTS += tests/introspect/test-kallsyms
tests_introspect_test_kallsyms_SOURCES = tests/introspect/test-kallsyms.c tests/introspect/kallsyms-writer.c \
	tests/introspect/kallsyms-writer.h
tests_introspect_test_kallsyms_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-symbols
TESTS += tests/introspect/test-symbols
tests_introspect_test_symbols_SOURCES = tests/introspect/test-symbols.c
tests_introspect_test_symbols_LDADD = libintrospect.a $(GLIB_LIBS)

check_PROGRAMS += tests/introspect/test-modules
TESTS += tests/introspect/test-modules
tests_introspect_test_modules_SOURCES = tests/introspect/test-modules.c tests/introspect/btf-writer.c \
	tests/introspect/btf-writer.h tests/fake-guest.c tests/fake-guest.h
tests_introspect_test_modules_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-btf
TESTS += tests/introspect/test-btf
tests_introspect_test_btf_SOURCES = tests/introspect/test-btf.c tests/introspect/btf-writer.c \
	tests/introspect/btf-writer.h
tests_introspect_test_btf_LDADD = libintrospect.a $(GLIB_LIBS)

check_PROGRAMS += tests/introspect/test-orc
TESTS += tests/introspect/test-orc
tests_introspect_test_orc_SOURCES = tests/introspect/test-orc.c tests/introspect/btf-writer.c \
	tests/introspect/btf-writer.h
tests_introspect_test_orc_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-unwind
TESTS += tests/introspect/test-unwind
tests_introspect_test_unwind_SOURCES = tests/introspect/test-unwind.c tests/introspect/unwind-fixture.h
tests_introspect_test_unwind_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-tasks
TESTS += tests/introspect/test-tasks
tests_introspect_test_tasks_SOURCES = tests/introspect/test-tasks.c $(FAKE_KERNEL)
tests_introspect_test_tasks_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-locate
TESTS += tests/introspect/test-locate
tests_introspect_test_locate_SOURCES = tests/introspect/test-locate.c tests/fake-guest.c tests/fake-guest.h
tests_introspect_test_locate_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-run-queues
TESTS += tests/introspect/test-run-queues
tests_introspect_test_run_queues_SOURCES = tests/introspect/test-run-queues.c $(FAKE_KERNEL)
tests_introspect_test_run_queues_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-callbacks
TESTS += tests/introspect/test-callbacks
tests_introspect_test_callbacks_SOURCES = tests/introspect/test-callbacks.c $(FAKE_KERNEL)
tests_introspect_test_callbacks_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-switches
TESTS += tests/introspect/test-switches
tests_introspect_test_switches_SOURCES = tests/introspect/test-switches.c $(FAKE_KERNEL)
tests_introspect_test_switches_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-references
TESTS += tests/introspect/test-references
tests_introspect_test_references_SOURCES = tests/introspect/test-references.c $(FAKE_KERNEL)
tests_introspect_test_references_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-vcpus
TESTS += tests/introspect/test-vcpus
tests_introspect_test_vcpus_SOURCES = tests/introspect/test-vcpus.c $(FAKE_KERNEL)
tests_introspect_test_vcpus_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-thunks
TESTS += tests/introspect/test-thunks
tests_introspect_test_thunks_SOURCES = tests/introspect/test-thunks.c $(FAKE_KERNEL)
tests_introspect_test_thunks_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-unwind-frames
TESTS += tests/introspect/test-unwind-frames
tests_introspect_test_unwind_frames_SOURCES = tests/introspect/test-unwind-frames.c tests/introspect/unwind-fixture.h
tests_introspect_test_unwind_frames_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-mutex
TESTS += tests/introspect/test-mutex
tests_introspect_test_mutex_SOURCES = tests/introspect/test-mutex.c tests/introspect/btf-writer.c tests/introspect/btf-writer.h
tests_introspect_test_mutex_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-generated
TESTS += tests/introspect/test-generated
tests_introspect_test_generated_SOURCES = tests/introspect/test-generated.c $(FAKE_KERNEL)
tests_introspect_test_generated_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)

check_PROGRAMS += tests/introspect/test-log
TESTS += tests/introspect/test-log
tests_introspect_test_log_SOURCES = tests/introspect/test-log.c $(FAKE_KERNEL)
tests_introspect_test_log_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
