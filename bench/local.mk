# `make bench` measures on a guest of its own; see bench/run.
BENCHES = bench/changes bench/looking bench/pauses
EXTRA_PROGRAMS += $(BENCHES)
bench_changes_SOURCES = bench/changes.c bench/table.c bench/table.h
bench_changes_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
bench_looking_SOURCES = bench/looking.c bench/table.c bench/table.h
bench_looking_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
bench_pauses_SOURCES = bench/pauses.c bench/table.c bench/table.h
bench_pauses_LDADD = libvmm.a $(VMM_LIBS)
CLEANFILES += $(BENCHES)
EXTRA_DIST += bench/run bench/large-patch

bench: virt-livepatch virt-livepatch-kvm $(BENCHES) tests/vmm/bare-guest
	$(top_srcdir)/bench/run $(abs_builddir)
.PHONY: bench
