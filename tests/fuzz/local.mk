# Fuzzers (libFuzzer), not built by default: `make fuzzers`; `make fuzz FUZZ_SECONDS=600` builds them and runs each for so
# long, `make fuzz FUZZERS_RUN=fuzz-tasks` only that one.
# They are compiled apart, since the code under test has to be instrumented too.

FUZZ_CC = clang
FUZZ_CFLAGS = -g -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_SECONDS = 5
FUZZERS_RUN =

FUZZ_SUPPORT = tests/fake-guest.c tests/introspect/btf-writer.c tests/introspect/kallsyms-writer.c \
	tests/fuzz/fuzz.c tests/fuzz/guest-record.c tests/fuzz/looks.c tests/fuzz/peer.c tests/fuzz/recorded.c \
	tests/vmm/firecracker-writer.c
FUZZ_FILES = $(filter %.c %.S,$(libvmm_a_SOURCES) $(libintrospect_a_SOURCES) $(libpatcher_a_SOURCES)) $(FUZZ_SUPPORT)
FUZZ_OBJECTS = $(patsubst %,fuzz-objects/%.o,$(basename $(FUZZ_FILES)))
FUZZERS = tests/fuzz/fuzz-agent tests/fuzz/fuzz-attach tests/fuzz/fuzz-btf tests/fuzz/fuzz-condition \
	tests/fuzz/fuzz-core tests/fuzz/fuzz-firecracker tests/fuzz/fuzz-gdb tests/fuzz/fuzz-identity tests/fuzz/fuzz-kallsyms tests/fuzz/fuzz-kvm \
	tests/fuzz/fuzz-kvm-control tests/fuzz/fuzz-log tests/fuzz/fuzz-modules tests/fuzz/fuzz-object tests/fuzz/fuzz-orc \
	tests/fuzz/fuzz-plan \
	tests/fuzz/fuzz-qemu-text tests/fuzz/fuzz-qmp tests/fuzz/fuzz-record tests/fuzz/fuzz-setting tests/fuzz/fuzz-source \
	tests/fuzz/fuzz-space tests/fuzz/fuzz-stacks tests/fuzz/fuzz-tasks tests/fuzz/fuzz-update

# What makes their seeds; tests/fuzz/prepare runs both.
EXTRA_PROGRAMS += tests/fuzz/record-guest tests/fuzz/make-seeds
FUZZ_PATCHER_LIBS = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
tests_fuzz_record_guest_SOURCES = tests/fuzz/record-guest.c tests/fuzz/guest-record.c tests/fuzz/guest-record.h \
	tests/fuzz/looks.c tests/fuzz/looks.h
tests_fuzz_record_guest_LDADD = $(FUZZ_PATCHER_LIBS)
tests_fuzz_make_seeds_SOURCES = tests/fuzz/make-seeds.c tests/patcher/diff-cases.c tests/patcher/diff-cases.h \
	tests/patcher/sample-update.c tests/patcher/sample-update.h \
	tests/vmm/firecracker-writer.c tests/vmm/firecracker-writer.h
tests_fuzz_make_seeds_LDADD = $(FUZZ_PATCHER_LIBS)

EXTRA_DIST += $(FUZZERS:%=%.c) tests/fuzz/fuzz-agent.dict tests/fuzz/fuzz-qmp.dict \
	tests/fuzz/fuzz.c tests/fuzz/fuzz.h tests/fuzz/peer.c tests/fuzz/peer.h tests/fuzz/prepare tests/fuzz/recorded.c \
	tests/fuzz/recorded.h tests/fuzz/smoke.t

.PHONY: fuzzers
fuzzers: $(FUZZERS) tests/fuzz/record-guest tests/fuzz/make-seeds virt-livepatch

.PHONY: fuzz
fuzz: fuzzers
	VLP_BUILD='$(abs_builddir)' VLP_FUZZ_SECONDS='$(FUZZ_SECONDS)' VLP_FUZZERS='$(FUZZERS_RUN)' $(srcdir)/tests/fuzz/smoke.t

FUZZ_COMPILE = $(AM_V_CC)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) \
	$(AM_CFLAGS) -Wno-error -MMD -MP -c -o $@ $<
fuzz-objects/%.o: %.c
	$(FUZZ_COMPILE)
fuzz-objects/%.o: %.S
	$(FUZZ_COMPILE)
-include $(FUZZ_OBJECTS:.o=.d) $(FUZZERS:%=fuzz-objects/%.d)
# Where comparisons are most of the work, and have nothing to tell.
fuzz-objects/introspect/kallsyms.o fuzz-objects/introspect/symbols.o fuzz-objects/introspect/btf.o fuzz-objects/introspect/btf-layout.o \
fuzz-objects/tests/fuzz/guest-record.o: FUZZ_CFLAGS += -fno-sanitize-coverage=trace-cmp
fuzz-objects/patcher/kernel-headers.o: $(front_header_strings)
fuzz-objects/patcher/kbuild.o: patcher/kbuild/walk.inc

$(FUZZERS): %: fuzz-objects/%.o $(FUZZ_OBJECTS)
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) -o $@ $^ $(SQLITE_LIBS) $(VMM_LIBS) $(LIBELF_LIBS) $(CAPSTONE_LIBS)

clean-local: clean-fuzzers
.PHONY: clean-fuzzers
clean-fuzzers:
	rm -rf fuzz-objects fuzz-seeds tests/fuzz/record-guest tests/fuzz/make-seeds
	rm -f $(FUZZERS)
