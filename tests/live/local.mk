# Tests in real guests are shell scripts run by prove (quickstart check); this is what they need built.
check_PROGRAMS += tests/live/alter-update
tests_live_alter_update_SOURCES = tests/live/alter-update.c
tests_live_alter_update_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
