# `make bench` measures on a guest of its own; see bench/run.
EXTRA_PROGRAMS += bench/bench
bench_bench_SOURCES = bench/bench.c
bench_bench_LDADD = libpatcher.a libintrospect.a libvmm.a $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)
CLEANFILES += bench/bench
EXTRA_DIST += bench/run

bench: virt-livepatch bench/bench
	$(top_srcdir)/bench/run $(abs_builddir)
.PHONY: bench
