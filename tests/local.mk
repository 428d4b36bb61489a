include tests/vmm/local.mk
include tests/introspect/local.mk
include tests/patcher/local.mk
include tests/live/local.mk
include tests/fuzz/local.mk
include tests/cve/local.mk

TESTS += tests/rooms.t tests/witness.t
dist_check_SCRIPTS += tests/rooms.t tests/witness.t
EXTRA_DIST += tests/tap.sh

# The programs among the tests, for those who run them otherwise than by `make check`.
.PHONY: list-test-programs
list-test-programs:
	@printf '%s\n' $(filter-out %.t,$(TESTS))
