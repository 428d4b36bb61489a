# `make bench` measures on a guest of its own; see bench/run.
EXTRA_PROGRAMS += bench/bench
bench_bench_SOURCES = bench/bench.c
bench_bench_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
EXTRA_PROGRAMS += bench/pauses
bench_pauses_SOURCES = bench/pauses.c
bench_pauses_LDADD = libvmm.a $(VMM_LIBS)
CLEANFILES += bench/bench bench/pauses
EXTRA_DIST += bench/run

bench: virt-livepatch virt-livepatch-kvm bench/bench bench/pauses tests/vmm/bare-guest
	$(top_srcdir)/bench/run $(abs_builddir)
.PHONY: bench
