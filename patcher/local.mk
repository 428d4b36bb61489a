noinst_LIBRARIES += libpatcher.a

libpatcher_a_SOURCES =
