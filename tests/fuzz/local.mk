# Fuzzers (libFuzzer), not built by default: `make fuzzers`, then e.g. tests/fuzz/fuzz-space CORPUS-DIRECTORY;
# `make fuzz-smoke` builds them and runs each for a few seconds.
# They are compiled apart, since the code under test has to be instrumented too.

FUZZ_CC = clang
FUZZ_CFLAGS = -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

FUZZ_SUPPORT = tests/fake-guest.c tests/introspect/btf-writer.c tests/introspect/kallsyms-writer.c
FUZZ_FILES = $(filter %.c,$(libvmm_a_SOURCES) $(libintrospect_a_SOURCES) $(libpatcher_a_SOURCES)) $(FUZZ_SUPPORT)
FUZZ_OBJECTS = $(FUZZ_FILES:%.c=fuzz-objects/%.o)
FUZZERS = tests/fuzz/fuzz-btf tests/fuzz/fuzz-core tests/fuzz/fuzz-kallsyms tests/fuzz/fuzz-orc \
	tests/fuzz/fuzz-record tests/fuzz/fuzz-space tests/fuzz/fuzz-update

EXTRA_DIST += $(FUZZERS:%=%.c) tests/fuzz/smoke.t

.PHONY: fuzzers
fuzzers: $(FUZZERS)

.PHONY: fuzz-smoke
fuzz-smoke: fuzzers
	VLP_BUILD='$(abs_builddir)' $(srcdir)/tests/fuzz/smoke.t

fuzz-objects/%.o: %.c
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(AM_CFLAGS) \
		-Wno-error -MMD -MP -c -o $@ $<
-include $(FUZZ_OBJECTS:.o=.d) $(FUZZERS:%=fuzz-objects/%.d)
fuzz-objects/patcher/kernel-headers.o: $(front_header_strings)

$(FUZZERS): %: fuzz-objects/%.o $(FUZZ_OBJECTS)
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) -o $@ $^ $(VMM_LIBS) $(LIBELF_LIBS) $(CAPSTONE_LIBS)

clean-local: clean-fuzzers
.PHONY: clean-fuzzers
clean-fuzzers:
	rm -rf fuzz-objects
	rm -f $(FUZZERS)
