include tests/vmm/local.mk
include tests/introspect/local.mk
include tests/patcher/local.mk
include tests/live/local.mk
include tests/fuzz/local.mk
