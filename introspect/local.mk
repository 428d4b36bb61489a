noinst_LIBRARIES += libintrospect.a

libintrospect_a_SOURCES = \
	introspect/code-areas.c introspect/code-areas.h \
	introspect/cpus.c \
	introspect/cursor.c introspect/cursor.h \
	introspect/error.c introspect/error.h \
	introspect/holes.c \
	introspect/identity.c introspect/identity.h \
	introspect/image-tables.c introspect/image-tables.h \
	introspect/kallsyms.c introspect/kallsyms.h \
	introspect/kernel.c introspect/kernel.h \
	introspect/loaded.c introspect/loaded.h \
	introspect/locate.c introspect/locate.h \
	introspect/module-sections.c introspect/module-sections.h \
	introspect/module-symbols.c introspect/module-symbols.h \
	introspect/module-uses.c introspect/module-uses.h \
	introspect/module-table.c introspect/module-table.h \
	introspect/modules.c introspect/modules.h \
	introspect/mutex.c introspect/mutex.h \
	introspect/probes.c introspect/probes.h \
	introspect/scan.c introspect/scan.h \
	introspect/space.c introspect/space.h \
	introspect/symbols.c introspect/symbols.h \
	introspect/table-cache.c introspect/table-cache.h
libintrospect_a_SOURCES += \
	introspect/btf-layout.c introspect/btf-private.h introspect/btf.c introspect/btf.h \
	introspect/frame-pointers.c introspect/frame-pointers.h \
	introspect/generated.c introspect/generated.h \
	introspect/orc.c introspect/orc.h \
	introspect/stack-facts.c introspect/stack-facts.h \
	introspect/stack.c introspect/stack.h \
	introspect/task-struct.c introspect/task-struct.h \
	introspect/tasks.c introspect/tasks.h \
	introspect/thunks.c introspect/thunks.h \
	introspect/tracers.c introspect/tracers.h \
	introspect/unwind.c introspect/unwind.h \
	introspect/unwinder.c introspect/unwinder.h
libintrospect_a_SOURCES += \
	introspect/condition.c introspect/condition.h \
	introspect/ftrace-sites.c introspect/ftrace-sites.h \
	introspect/live-text.c \
	introspect/callback-places.c introspect/callback-places.h introspect/callbacks.c introspect/callbacks.h \
	introspect/recall.c introspect/recall.h introspect/references.c introspect/references.h \
	introspect/run-queues.c introspect/run-queues.h \
	introspect/log.c introspect/log.h \
	introspect/pulse.c introspect/pulse.h \
	introspect/sleeping.c introspect/sleeping.h \
	introspect/switches.c introspect/switches.h \
	introspect/task-watch.c introspect/task-watch.h \
	introspect/vcpus.c introspect/vcpus.h \
	introspect/window.c introspect/window.h
