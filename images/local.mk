# Scripts that make and run test guests; nothing here is built or installed.
EXTRA_DIST += \
	images/build-kernel \
	images/ctl.h \
	images/demo/run images/demo/uptime.patch \
	images/fetch-compiler images/fetch-kernel images/packages.sh \
	images/guest-exec images/host/guest-exec.c \
	images/host/kvm-probe.c \
	images/init \
	images/kernels/bare.config images/kernels/embedded.config images/kernels/frame-pointer.config \
	images/kernels/machine.config images/kernels/no-btf.config \
	images/kernels/no-kallsyms.config images/kernels/tiny.config \
	images/lib.sh \
	images/mkinitramfs \
	images/probes/caller.c \
	images/probes/churn.c \
	images/probes/crowd.c \
	images/probes/ctl.c \
	images/probes/fentry.c \
	images/probes/faulter.c \
	images/probes/first.c \
	images/probes/heartbeat.c \
	images/probes/ktext.c \
	images/probes/nested.c \
	images/probes/sleeper.c \
	images/probes/views.c \
	images/probes/witness.c \
	images/run-domain images/run-guest \
	images/stop-domain images/stop-guest
