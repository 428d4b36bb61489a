noinst_LIBRARIES += libpatcher.a

libpatcher_a_SOURCES =

# Updates and their files.
libpatcher_a_SOURCES += \
	patcher/update.c patcher/update.h patcher/update-format.h \
	patcher/update-load.c patcher/update-save.c patcher/update-validate.c
