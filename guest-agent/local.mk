# Runs in any guest, so it brings its C library with it, and nothing else.
bin_PROGRAMS += virt-livepatch-agent
virt_livepatch_agent_SOURCES = \
	guest-agent/agent.c \
	guest-agent/answers.c guest-agent/answers.h \
	guest-agent/out.c guest-agent/out.h \
	guest-agent/sha256.c guest-agent/sha256.h
virt_livepatch_agent_CFLAGS = -std=gnu11 -Os $(WARN_CFLAGS)
virt_livepatch_agent_LDFLAGS = -static
