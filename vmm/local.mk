noinst_LIBRARIES += libvmm.a

libvmm_a_SOURCES = \
	vmm/addr.h \
	vmm/backend.h \
	vmm/core.c \
	vmm/core-file.c vmm/core-file.h \
	vmm/core-note.c vmm/core-note.h \
	vmm/core-write.c vmm/core-write.h \
	vmm/error.c vmm/error.h \
	vmm/file.c vmm/file.h \
	vmm/firecracker.c vmm/firecracker.h \
	vmm/flattened.c vmm/flattened.h \
	vmm/gdb.c vmm/gdb.h \
	vmm/gdb-link.c vmm/gdb-link.h \
	vmm/gdb-target.c vmm/gdb-target.h \
	vmm/gdb-wire.c vmm/gdb-wire.h \
	vmm/guard.c vmm/guard.h \
	vmm/helper.c vmm/helper.h \
	vmm/host-kernel.c vmm/host-kernel.h \
	vmm/inject.c vmm/inject.h \
	vmm/join.c vmm/join.h \
	vmm/journal.c vmm/journal.h \
	vmm/json.c vmm/json.h \
	vmm/kdump.c vmm/kdump.h \
	vmm/domains.h \
	vmm/kvm.c vmm/kvm.h vmm/kvm-protocol.h \
	vmm/kvm-control.c vmm/kvm-control.h \
	vmm/kvm-files.c vmm/kvm-files.h \
	vmm/kvm-link.c vmm/kvm-link.h \
	vmm/kvm-pieces.c vmm/kvm-pieces.h \
	vmm/kvm-registers.c vmm/kvm-registers.h \
	vmm/kvm-slots.c vmm/kvm-slots.h \
	vmm/libvirt.c \
	vmm/libvirt-call.c vmm/libvirt-call.h \
	vmm/libvirt-connect.c vmm/libvirt-connect.h \
	vmm/libvirt-monitor.c vmm/libvirt-monitor.h \
	vmm/machine.c vmm/machine.h \
	vmm/memory.c vmm/memory.h \
	vmm/monitor.c vmm/monitor.h \
	vmm/pid.c \
	vmm/qemu.c vmm/qemu.h \
	vmm/qemu-channel.c vmm/qemu-channel.h \
	vmm/qemu-object.c vmm/qemu-object.h \
	vmm/qemu-text.c vmm/qemu-text.h \
	vmm/qmp.c vmm/qmp.h \
	vmm/qmp-machine.c \
	vmm/rescue.c vmm/rescue.h \
	vmm/sandbox.c vmm/sandbox.h \
	vmm/signal-frame.c vmm/signal-frame.h \
	vmm/socket.c vmm/socket.h \
	vmm/stranger.c vmm/stranger.h vmm/stranger-memory.c vmm/stranger-memory.h \
	vmm/stub.c vmm/stub.h \
	vmm/threads.c vmm/threads.h \
	vmm/vcpu.h \
	vmm/will.c vmm/will.h

# The embedded machine.
bin_PROGRAMS += virt-livepatch-kvm
virt_livepatch_kvm_SOURCES = \
	vmm/kvm-main.c \
	vmm/kvm-cpuid.c vmm/kvm-cpuid.h \
	vmm/kvm-fault.c vmm/kvm-fault.h \
	vmm/kvm-load.c vmm/kvm-load.h \
	vmm/kvm-mptable.c vmm/kvm-mptable.h \
	vmm/kvm-serial.c vmm/kvm-serial.h \
	vmm/kvm-state.c vmm/kvm-state.h \
	vmm/kvm-vcpus.c vmm/kvm-vcpus.h \
	vmm/kvm-vm.c vmm/kvm-vm.h
virt_livepatch_kvm_LDADD = libvmm.a $(CAPSTONE_LIBS) $(VMM_LIBS)
