# `make cve-table CVES=DIRECTORY` tries a set of real fixes that lies outside of the tree; see tests/cve/run.
EXTRA_DIST += tests/cve/run tests/cve/touch-functions tests/cve/effects/netlink.h tests/cve/effects/nftables.h \
	tests/cve/effects/CVE-2026-72254.c tests/cve/effects/CVE-2026-72320.c \
	tests/cve/effects/CVE-2026-72402.c tests/cve/effects/CVE-2026-80847.c

cve-table: virt-livepatch
	@test -n "$(CVES)" || { echo "usage: make cve-table CVES=DIRECTORY"; exit 2; }
	$(top_srcdir)/tests/cve/run $(CVE_OPTIONS) $(abs_builddir) $(CVES)
.PHONY: cve-table
