# Tests in real guests are shell scripts run by prove (quickstart check); this is what they need built.
check_PROGRAMS += tests/live/alter-update
tests_live_alter_update_SOURCES = tests/live/alter-update.c
tests_live_alter_update_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/live/corrupt
tests_live_corrupt_SOURCES = tests/live/corrupt.c tests/live/damage.c tests/live/damage.h tests/live/forge.c tests/live/forge.h
tests_live_corrupt_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/live/fill-holes
tests_live_fill_holes_SOURCES = tests/live/fill-holes.c
tests_live_fill_holes_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/poke
tests_live_poke_SOURCES = tests/live/poke.c
tests_live_poke_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/backend-check
tests_live_backend_check_SOURCES = tests/live/backend-check.c
tests_live_backend_check_LDADD = libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/through-file
tests_live_through_file_SOURCES = tests/live/through-file.c tests/vmm/firecracker-writer.c \
	tests/vmm/firecracker-writer.h
tests_live_through_file_LDADD = libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/data-digests
tests_live_data_digests_SOURCES = tests/live/data-digests.c
tests_live_data_digests_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/live/image-digest
tests_live_image_digest_SOURCES = tests/live/image-digest.c
tests_live_image_digest_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/live/run-in-guest
tests_live_run_in_guest_SOURCES = tests/live/run-in-guest.c
tests_live_run_in_guest_LDADD = libpatcher.a libintrospect.a libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
check_PROGRAMS += tests/live/runnable
tests_live_runnable_SOURCES = tests/live/runnable.c
tests_live_runnable_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/kernel-log
tests_live_kernel_log_SOURCES = tests/live/kernel-log.c
tests_live_kernel_log_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/callbacks
tests_live_callbacks_SOURCES = tests/live/callbacks.c
tests_live_callbacks_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
check_PROGRAMS += tests/live/percpu-places
tests_live_percpu_places_SOURCES = tests/live/percpu-places.c
tests_live_percpu_places_LDADD = libintrospect.a libvmm.a $(VMM_LIBS)
EXTRA_DIST += \
	tests/live/00-guest.t \
	tests/live/10-introspect.t \
	tests/live/12-privileges.t \
	tests/live/13-agent.t \
	tests/live/15-corrupt.t \
	tests/live/18-create.t \
	tests/live/20-apply.t \
	tests/live/22-settle.t \
	tests/live/24-data.t \
	tests/live/25-several.t \
	tests/live/26-modules.t \
	tests/live/27-company.t \
	tests/live/27-known.t \
	tests/live/28-entries.t \
	tests/live/29-many.t \
	tests/live/30-refusals.t \
	tests/live/31-constructs.t \
	tests/live/32-room.t tests/live/33-runner.t tests/live/34-hooks.t tests/live/35-kinds.t \
	tests/live/40-rounds.t tests/live/45-simultaneous.t tests/live/47-moments.t tests/live/48-nested.t \
	tests/live/50-libvirt.t \
	tests/live/52-domains.t tests/live/53-libvirtd.t \
	tests/live/55-core.t \
	tests/live/56-saved.t \
	tests/live/57-backends.t tests/live/58-linux-on-kvm.t tests/live/busy-init.S \
	tests/live/60-killed.t \
	tests/live/61-both-killed.t \
	tests/live/65-replace-killed.t \
	tests/live/70-migration.t tests/live/71-life.t \
	tests/live/80-kernels.t \
	tests/live/81-no-kernel.t tests/live/82-frame-pointer.t tests/live/83-vcpus.t tests/live/84-gdb.t \
	tests/live/85-generations.t \
	tests/live/bare.S \
	tests/live/sleeping-init.S \
	tests/live/lib.sh tests/live/both-killed.sh \
	tests/live/gdb-guest.py tests/live/gdb-stacks.py tests/live/gdb-steps.py \
	tests/live/moved.pl tests/live/names.sh tests/live/vcpus.pl tests/live/views.pl tests/live/views.sh \
	tests/live/patches/readdir.patch \
	tests/live/patches/select.patch tests/live/patches/hooks.patch tests/live/patches/constructs.patch tests/live/patches/kpatch.patch tests/live/patches/pending.patch \
	tests/live/patches/three.patch
