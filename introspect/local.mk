noinst_LIBRARIES += libintrospect.a

libintrospect_a_SOURCES =
libintrospect_a_SOURCES += \
	introspect/btf.c introspect/btf.h \
	introspect/orc.c introspect/orc.h \
	introspect/stack-facts.c introspect/stack-facts.h \
	introspect/stack.c introspect/stack.h \
	introspect/task-struct.c introspect/task-struct.h \
	introspect/tasks.c introspect/tasks.h \
	introspect/tracers.c introspect/tracers.h \
	introspect/unwind.c introspect/unwind.h
