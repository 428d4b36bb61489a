noinst_LIBRARIES += libintrospect.a

libintrospect_a_SOURCES =
