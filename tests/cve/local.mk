# `make cve-table CVES=DIRECTORY` tries a set of real fixes that lies outside of the tree; see tests/cve/run.
EXTRA_DIST += tests/cve/run

cve-table: virt-livepatch
	@test -n "$(CVES)" || { echo "usage: make cve-table CVES=DIRECTORY"; exit 2; }
	$(top_srcdir)/tests/cve/run $(CVE_OPTIONS) $(abs_builddir) $(CVES)
.PHONY: cve-table
