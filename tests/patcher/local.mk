
check_PROGRAMS += tests/patcher/test-update
TESTS += tests/patcher/test-update
tests_patcher_test_update_SOURCES = tests/patcher/test-update.c tests/patcher/sample-update.c \
	tests/patcher/sample-update.h
tests_patcher_test_update_LDADD = libpatcher.a libintrospect.a libvmm.a $(VMM_LIBS)
