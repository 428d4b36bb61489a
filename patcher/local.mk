noinst_LIBRARIES += libpatcher.a

libpatcher_a_SOURCES =

# Updates and their files.
libpatcher_a_SOURCES += \
	patcher/update.c patcher/update.h patcher/update-format.h \
	patcher/update-load.c patcher/update-save.c patcher/update-validate.c

# From an update and a guest to a plan, and its execution.
libpatcher_a_SOURCES += \
	patcher/error.c patcher/error.h \
	patcher/guest.c patcher/guest.h \
	patcher/record.c patcher/record.h \
	patcher/arena.c patcher/arena.h \
	patcher/guestcode.c patcher/guestcode.h \
	patcher/match.c patcher/match.h \
	patcher/link.c patcher/link.h \
	patcher/plan.c patcher/plan.h \
	patcher/plan-apply.c patcher/plan-apply.h \
	patcher/plan-undo.c patcher/plan-undo.h \
	patcher/safety.c patcher/safety.h \
	patcher/commit.c patcher/commit.h

# The command line.
bin_PROGRAMS += virt-livepatch
virt_livepatch_SOURCES = \
	patcher/main.c patcher/cli.c patcher/command.h patcher/report.c patcher/report.h \
	patcher/cmd-inspect.c patcher/cmd-symbols.c patcher/cmd-tasks.c patcher/cmd-stack.c \
	patcher/cmd-apply.c patcher/cmd-undo.c patcher/cmd-view.c
virt_livepatch_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
