VMM_TESTS = \
	tests/vmm/test-core \
	tests/vmm/test-firecracker \
	tests/vmm/test-gdb \
	tests/vmm/test-gdb-target \
	tests/vmm/test-gdb-wire \
	tests/vmm/test-guard \
	tests/vmm/test-inject \
	tests/vmm/test-join \
	tests/vmm/test-journal \
	tests/vmm/test-json \
	tests/vmm/test-kdump \
	tests/vmm/test-kvm \
	tests/vmm/test-machine \
	tests/vmm/test-memory \
	tests/vmm/test-qemu \
	tests/vmm/test-qemu-text \
	tests/vmm/test-qmp \
	tests/vmm/test-sandbox \
	tests/vmm/test-will

VMM_TEST_LIBS = libvmm.a $(VMM_LIBS)

check_PROGRAMS += $(VMM_TESTS)
TESTS += $(VMM_TESTS)

tests_vmm_test_core_SOURCES = tests/vmm/test-core.c
tests_vmm_test_core_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_firecracker_SOURCES = tests/vmm/test-firecracker.c tests/vmm/firecracker-writer.c \
	tests/vmm/firecracker-writer.h
tests_vmm_test_firecracker_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_gdb_SOURCES = tests/vmm/test-gdb.c tests/vmm/fake-stub.c tests/vmm/fake-stub.h \
	tests/vmm/fake-peer.c tests/vmm/fake-peer.h
tests_vmm_test_gdb_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_gdb_target_SOURCES = tests/vmm/test-gdb-target.c
tests_vmm_test_gdb_target_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_gdb_wire_SOURCES = tests/vmm/test-gdb-wire.c
tests_vmm_test_gdb_wire_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_guard_SOURCES = tests/vmm/test-guard.c
tests_vmm_test_guard_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_inject_SOURCES = tests/vmm/test-inject.c
tests_vmm_test_inject_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_join_SOURCES = tests/vmm/test-join.c
tests_vmm_test_join_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_journal_SOURCES = tests/vmm/test-journal.c
tests_vmm_test_journal_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_json_SOURCES = tests/vmm/test-json.c
tests_vmm_test_json_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_machine_SOURCES = tests/vmm/test-machine.c
tests_vmm_test_machine_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_memory_SOURCES = tests/vmm/test-memory.c
tests_vmm_test_memory_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_qemu_SOURCES = tests/vmm/test-qemu.c tests/vmm/fake-stub.c tests/vmm/fake-stub.h \
	tests/vmm/fake-peer.c tests/vmm/fake-peer.h
tests_vmm_test_qemu_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_qemu_text_SOURCES = tests/vmm/test-qemu-text.c
tests_vmm_test_qemu_text_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_qmp_SOURCES = tests/vmm/test-qmp.c tests/vmm/fake-peer.c tests/vmm/fake-peer.h
tests_vmm_test_qmp_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_kdump_SOURCES = tests/vmm/test-kdump.c
tests_vmm_test_kdump_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_kvm_SOURCES = tests/vmm/test-kvm.c tests/vmm/dirty-log.c tests/vmm/dirty-log.h tests/vmm/kvm-guest.c tests/vmm/kvm-guest.h
tests_vmm_test_kvm_LDADD = $(VMM_TEST_LIBS)

# Guests for the embedded machine.
bare_guests = tests/vmm/bare-guest tests/vmm/int3-guest
check_DATA = $(bare_guests)
EXTRA_DIST += tests/vmm/bare-guest.S tests/vmm/int3-guest.S
CLEANFILES += $(bare_guests)
$(bare_guests): %: %.S
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CC) -nostdlib -static -no-pie -Wl,-Ttext=0x100000 -Wl,--build-id=none -o $@ $<
tests_vmm_test_sandbox_SOURCES = tests/vmm/test-sandbox.c
tests_vmm_test_sandbox_LDADD = $(VMM_TEST_LIBS)
tests_vmm_test_will_SOURCES = tests/vmm/test-will.c
tests_vmm_test_will_LDADD = $(VMM_TEST_LIBS)
