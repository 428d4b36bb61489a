noinst_LIBRARIES += libpatcher.a

libpatcher_a_SOURCES =

# Updates and their files.
libpatcher_a_SOURCES += \
	patcher/update.c patcher/update.h patcher/update-format.h \
	patcher/update-load.c patcher/update-save.c patcher/update-validate.c

# From an update and a guest to a plan, and its execution.
libpatcher_a_SOURCES += \
	patcher/error.c patcher/error.h \
	patcher/guest.c patcher/guest.h \
	patcher/record.c patcher/record.h patcher/record-body.c patcher/record-check.c patcher/record-private.h \
	patcher/arena-private.h patcher/arena-room.c patcher/arena.c patcher/arena.h \
	patcher/guestcode.c patcher/guestcode.h patcher/paravirt.c patcher/paravirt.h \
	patcher/lookup.c patcher/lookup.h \
	patcher/match.c patcher/match.h \
	patcher/link.c patcher/link.h \
	patcher/plan.c patcher/plan.h \
	patcher/module.c patcher/module.h \
	patcher/rewritten.c patcher/rewritten.h \
	patcher/company.c patcher/company.h \
	patcher/jumps.c patcher/jumps.h \
	patcher/value-bits.c patcher/value-bits.h patcher/values-plan.c patcher/values.c patcher/values.h \
	patcher/value-text.c patcher/value-text.h \
	patcher/datum.c patcher/datum.h \
	patcher/entry.c patcher/entry.h \
	patcher/assembly-layout.c patcher/assembly-private.h patcher/assembly.c patcher/assembly.h \
	patcher/edits.c patcher/edits.h \
	patcher/known.c patcher/known.h patcher/known-checks.c patcher/known-checks.h patcher/known-module.c \
	patcher/known-tables.c patcher/known-tables.h \
	patcher/rbtree-edit.c patcher/rbtree-edit.h \
	patcher/plan-apply.c patcher/plan-apply.h \
	patcher/plan-undo.c patcher/plan-undo.h \
	patcher/nmi-list.c patcher/nmi-list.h \
	patcher/runner-code.S patcher/runner-code.h \
	patcher/runner-object.c patcher/runner-object.h patcher/region.c patcher/region.h patcher/room.c patcher/room.h \
	patcher/runner-end.c patcher/runner-end.h \
	patcher/runner.c patcher/runner.h \
	patcher/guest-log.c patcher/guest-log.h \
	patcher/hooks.c patcher/hooks.h \
	patcher/stages.c patcher/stages.h \
	patcher/history.c patcher/history.h \
	patcher/escape.c patcher/escape.h patcher/item-flow.c patcher/item-flow.h patcher/register-flow.c patcher/register-flow.h \
	patcher/kept.c patcher/kept.h patcher/kept-search.c patcher/kept-search.h \
	patcher/loose-ends.c patcher/loose-ends.h \
	patcher/inherit.c patcher/inherit.h \
	patcher/pending.c patcher/pending.h \
	patcher/on-cpus.c patcher/on-cpus.h \
	patcher/safety.c patcher/safety.h \
	patcher/blockers.c patcher/blockers.h \
	patcher/task-table.c patcher/task-table.h \
	patcher/places.c patcher/places.h \
	patcher/renamed-types.c patcher/renamed-types.h patcher/reset.c patcher/reset.h \
	patcher/brief.c patcher/brief.h \
	patcher/commit.c patcher/commit.h \
	patcher/watch.c patcher/watch.h

# The command line.
bin_PROGRAMS += virt-livepatch
virt_livepatch_SOURCES = \
	patcher/main.c patcher/shell.c patcher/shell.h patcher/cli.c patcher/command.h patcher/report.c patcher/report.h \
	patcher/cmd-inspect.c patcher/cmd-symbols.c patcher/cmd-tasks.c patcher/cmd-stack.c \
	patcher/cmd-apply.c patcher/cmd-undo.c \
	patcher/cmd-verify.c patcher/cmd-view.c patcher/installed.c patcher/installed.h \
	patcher/cmd-list.c patcher/cmd-log.c
libpatcher_a_SOURCES += \
	patcher/words.c patcher/words.h \
	patcher/completion.c patcher/completion.h \
	patcher/agent.c patcher/agent.h \
	patcher/agent-facts.c patcher/agent-facts.h
virt_livepatch_LDADD = libpatcher.a libintrospect.a libvmm.a $(READLINE_LIBS) $(SQLITE_LIBS) $(LIBELF_LIBS) $(CAPSTONE_LIBS) $(VMM_LIBS)

# From a source patch to an update: building objects, understanding them, comparing them, and what is put together of them.
libpatcher_a_SOURCES += \
	patcher/run.c patcher/run.h \
	patcher/progress.c patcher/progress.h \
	patcher/patchfile-apply.c patcher/patchfile-private.h patcher/patchfile.c patcher/patchfile.h \
	patcher/kconfig.c patcher/kconfig.h \
	patcher/overlay.c patcher/overlay.h \
	patcher/cache.c patcher/cache.h \
	patcher/cleantree.c patcher/cleantree.h \
	patcher/savedcmd.c patcher/savedcmd.h \
	patcher/build-commands.c patcher/build.c patcher/build.h patcher/build-private.h \
	patcher/compile.c \
	patcher/kbuild.c patcher/kbuild.h \
	patcher/ctokens.c patcher/ctokens.h \
	patcher/construct-names.c patcher/construct-names.h \
	patcher/construct-reader.c patcher/construct-reader.h patcher/constructs.c patcher/constructs.h \
	patcher/taint.c patcher/pastes.c patcher/pastes.h patcher/makers.c patcher/makers.h \
	patcher/includes.c patcher/includes.h \
	patcher/reach.c patcher/reach.h \
	patcher/targets.c patcher/targets.h \
	patcher/object.c patcher/object.h \
	patcher/object-items.c patcher/object-items.h \
	patcher/tables.c patcher/tables.h \
	patcher/sites.c patcher/sites.h \
	patcher/unwind-table.c patcher/unwind-table.h \
	patcher/item-name.c patcher/item-name.h \
	patcher/pairing.c patcher/pairing.h \
	patcher/referrers.c patcher/referrers.h \
	patcher/leftover.c patcher/leftover.h \
	patcher/compare.c patcher/compare.h \
	patcher/finding.c patcher/finding.h \
	patcher/handed-out.c patcher/handed-out.h \
	patcher/homes.c patcher/homes.h \
	patcher/diff.c patcher/diff.h \
	patcher/obstacle.c patcher/obstacle.h \
	patcher/carry.c patcher/carry.h \
	patcher/dwarf.c patcher/dwarf.h \
	patcher/dwarf-file.c patcher/dwarf-file.h \
	patcher/setting.c patcher/setting.h \
	patcher/variable.c patcher/variable.h \
	patcher/initial.c patcher/initial.h \
	patcher/new-data.c patcher/new-data.h \
	patcher/dwarf-layout.c patcher/dwarf-layout.h \
	patcher/dwarf-meaning.c patcher/dwarf-meaning.h \
	patcher/dwarf-type.c patcher/dwarf-type.h \
	patcher/type-changes.c patcher/type-changes.h \
	patcher/type-difference.c patcher/type-difference.h \
	patcher/types.c patcher/types.h \
	patcher/changes.c patcher/changes.h \
	patcher/old-code.c patcher/old-code.h \
	patcher/hook-table.c patcher/hook-table.h \
	patcher/new-code-private.h patcher/new-code-tables.c patcher/new-code.c patcher/new-code.h \
	patcher/csource.c patcher/csource.h \
	patcher/linemarks.c patcher/linemarks.h \
	patcher/cmacros.c patcher/cmacros.h \
	patcher/changed-constants.c patcher/changed-constants.h \
	patcher/constant-use.c patcher/constant-use.h \
	patcher/reached.c patcher/reached.h \
	patcher/reasons.c patcher/reasons.h \
	patcher/buildid.c patcher/buildid.h \
	patcher/compose.c patcher/compose.h patcher/compose-changes.c patcher/compose-private.h patcher/compose-settings.c \
	patcher/decode.c patcher/decode.h \
	patcher/copy-piece.c patcher/copy-piece.h \
	patcher/shadow.c patcher/shadow.h \
	patcher/merge.c patcher/merge.h \
	patcher/debian.c patcher/debian.h \
	patcher/create.c patcher/create.h
libpatcher_a_SOURCES += patcher/disassembly.c patcher/disassembly.h
virt_livepatch_SOURCES += patcher/cmd-create.c patcher/cmd-diff.c patcher/cmd-show.c patcher/show-code.c patcher/show-code.h

# The text of the headers that stand in front of the kernel's, as a C string.
front_headers = patcher/kernel-headers/asm/bug.h patcher/kernel-headers/asm/jump_label.h \
	patcher/kernel-headers/asm/runtime-const.h \
	patcher/kernel-headers/linux/livepatch.h \
	patcher/kernel-headers/virt-livepatch.h patcher/kernel-headers/kpatch-macros.h \
	patcher/kernel-headers/virt-livepatch-shadow.h
front_header_strings = patcher/kernel-headers/bug.inc patcher/kernel-headers/jump_label.inc \
	patcher/kernel-headers/runtime-const.inc patcher/kernel-headers/virt-livepatch.inc \
	patcher/kernel-headers/kpatch-macros.inc patcher/kernel-headers/livepatch.inc \
	patcher/kernel-headers/virt-livepatch-shadow.inc
libpatcher_a_SOURCES += patcher/kernel-headers.c patcher/kernel-headers.h
EXTRA_DIST += $(front_headers)
CLEANFILES += $(front_header_strings)
patcher/kernel-headers/bug.inc: patcher/kernel-headers/asm/bug.h
patcher/kernel-headers/jump_label.inc: patcher/kernel-headers/asm/jump_label.h
patcher/kernel-headers/runtime-const.inc: patcher/kernel-headers/asm/runtime-const.h
patcher/kernel-headers/livepatch.inc: patcher/kernel-headers/linux/livepatch.h
patcher/kernel-headers/virt-livepatch.inc: patcher/kernel-headers/virt-livepatch.h
patcher/kernel-headers/virt-livepatch-shadow.inc: patcher/kernel-headers/virt-livepatch-shadow.h
patcher/kernel-headers/kpatch-macros.inc: patcher/kernel-headers/kpatch-macros.h
$(front_header_strings):
	$(AM_V_GEN)$(MKDIR_P) patcher/kernel-headers && \
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' \
	  "$$(find $(srcdir)/patcher/kernel-headers -name $$(basename $@ .inc).h)" > $@.tmp && mv $@.tmp $@
patcher/kernel-headers.$(OBJEXT): $(front_header_strings)

# The same with the makefile that reads the kernel's.
EXTRA_DIST += patcher/kbuild/walk.mk
CLEANFILES += patcher/kbuild/walk.inc
patcher/kbuild/walk.inc: patcher/kbuild/walk.mk
	$(AM_V_GEN)$(MKDIR_P) patcher/kbuild && \
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $(srcdir)/patcher/kbuild/walk.mk > $@.tmp && \
	mv $@.tmp $@
patcher/kbuild.$(OBJEXT): patcher/kbuild/walk.inc
