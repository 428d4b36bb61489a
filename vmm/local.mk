noinst_LIBRARIES += libvmm.a

libvmm_a_SOURCES = \
	vmm/addr.h \
	vmm/backend.h \
	vmm/core.c \
	vmm/core-file.c vmm/core-file.h \
	vmm/gdb.c vmm/gdb.h \
	vmm/gdb-target.c vmm/gdb-target.h \
	vmm/gdb-wire.c vmm/gdb-wire.h \
	vmm/guard.c vmm/guard.h \
	vmm/json.c vmm/json.h \
	vmm/domains.h \
	vmm/libvirt.c \
	vmm/libvirt-connect.c vmm/libvirt-connect.h \
	vmm/libvirt-monitor.c vmm/libvirt-monitor.h \
	vmm/machine.c vmm/machine.h \
	vmm/memory.c vmm/memory.h \
	vmm/monitor.c vmm/monitor.h \
	vmm/qemu.c vmm/qemu.h \
	vmm/qemu-text.c vmm/qemu-text.h \
	vmm/qmp.c vmm/qmp.h \
	vmm/qmp-machine.c \
	vmm/socket.c vmm/socket.h \
	vmm/stub.c vmm/stub.h \
	vmm/vcpu.h
