/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/host-kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/socket.h"

#define MAX_READ_BYTES 4096
#define MAX_NESTING 8

struct VmmHostKernel {
    struct btf *core, *module;      /* MODULE is NULL if all types are the kernel's */
    int map_fd, program_fd;
    const guint8 *window;           /* what the program has read last */
};

/* What the program is given. */
typedef struct {
    guint64 address;                /* 0: that of the calling task's task_struct */
    guint64 length;
} Order;

static gboolean
set_refused(GError **error, const char *what, int code)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the host's kernel does not let us see what KVM holds (%s: %s); "
                "it takes root, BPF and a kernel with BTF that is not locked down", what, g_strerror(code));
    return FALSE;
}

static struct btf *
load_module_types(struct btf *core, const char *module)
{
    g_autofree char *path = g_build_filename("/sys/kernel/btf", module, NULL);

    return access(path, R_OK) == 0 ? btf__load_module_btf(module, core) : NULL;
}

/* window[0..length) = *address; or, for address 0, window[0..8) = current. Returns 0 if that was done. */
static int
load_program(int map_fd)
{
    const struct bpf_insn code[] = {
        { BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, offsetof(Order, address), 0 },
        { BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_2, BPF_REG_1, offsetof(Order, length), 0 },
        { BPF_LD | BPF_IMM | BPF_DW, BPF_REG_7, BPF_PSEUDO_MAP_VALUE, 0, map_fd }, { 0 },
        { BPF_JMP | BPF_JNE | BPF_K, BPF_REG_6, 0, 4, 0 },
        { BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_task },
        { BPF_STX | BPF_MEM | BPF_DW, BPF_REG_7, BPF_REG_0, 0, 0 },
        { BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
        { BPF_JMP | BPF_EXIT },
        { BPF_JMP | BPF_JLE | BPF_K, BPF_REG_2, 0, 2, MAX_READ_BYTES },
        { BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1 },
        { BPF_JMP | BPF_EXIT },
        { BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_7, 0, 0 },
        { BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_6, 0, 0 },
        { BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_kernel },
        { BPF_JMP | BPF_EXIT },
    };

    return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "vlp_read", "GPL", code, G_N_ELEMENTS(code), NULL);
}

static gboolean
load_reader(VmmHostKernel *kernel, GError **error)
{
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
    void *window;

    kernel->map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "vlp_window", sizeof(guint32), MAX_READ_BYTES, 1, &options);
    if (kernel->map_fd < 0)
        return set_refused(error, "a BPF map", errno);
    window = mmap(NULL, MAX_READ_BYTES, PROT_READ, MAP_SHARED, kernel->map_fd, 0);
    if (window == MAP_FAILED)
        return set_refused(error, "a map of a BPF map", errno);
    kernel->window = window;
    kernel->program_fd = load_program(kernel->map_fd);
    return kernel->program_fd >= 0 || set_refused(error, "a BPF program", errno);
}

static int
print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
    return 0;
}

VmmHostKernel *
vmm_host_kernel_new(const char *module, GError **error)
{
    g_autoptr(VmmHostKernel) kernel = g_new0(VmmHostKernel, 1);

    kernel->map_fd = kernel->program_fd = -1;
    libbpf_set_print(print_nothing);
    kernel->core = btf__load_vmlinux_btf();
    if (kernel->core == NULL) {
        set_refused(error, "its types", errno);
        return NULL;
    }
    kernel->module = load_module_types(kernel->core, module);
    return load_reader(kernel, error) ? g_steal_pointer(&kernel) : NULL;
}

void
vmm_host_kernel_free(VmmHostKernel *kernel)
{
    if (kernel == NULL)
        return;
    if (kernel->window != NULL)
        munmap((void *)kernel->window, MAX_READ_BYTES);
    vmm_fd_clear(&kernel->program_fd);
    vmm_fd_clear(&kernel->map_fd);
    btf__free(kernel->module);
    btf__free(kernel->core);
    g_free(kernel);
}

guint
vmm_host_kernel_fds(const VmmHostKernel *kernel, int fds[2])
{
    fds[0] = kernel->map_fd;
    fds[1] = kernel->program_fd;
    return 2;
}

/* A module's types build on the kernel's, and are looked through after them. */
static const struct btf *
types_of(const VmmHostKernel *kernel)
{
    return kernel->module != NULL ? kernel->module : kernel->core;
}

/* Other places may know of the same structure without its members. */
static const struct btf_type *
find_structure(const VmmHostKernel *kernel, const char *name, GError **error)
{
    const struct btf *types = types_of(kernel);
    int id = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT);

    if (id > 0)
        return btf__type_by_id(types, id);
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the host's kernel knows no struct %s", name);
    return NULL;
}

gboolean
vmm_host_kernel_size(const VmmHostKernel *kernel, const char *structure, guint32 *bytes, GError **error)
{
    const struct btf_type *type = find_structure(kernel, structure, error);

    if (type != NULL)
        *bytes = type->size;
    return type != NULL;
}

static gboolean
find_member(const struct btf *types, const struct btf_type *type, const char *name, guint32 base, guint nesting,
            VmmHostMember *found)
{
    const struct btf_member *member = btf_members(type);

    for (guint i = 0; i < btf_vlen(type) && nesting < MAX_NESTING; i++, member++) {
        const char *its_name = btf__name_by_offset(types, member->name_off);
        guint32 offset = base + btf_member_bit_offset(type, i) / 8;
        const struct btf_type *inner;

        if (its_name != NULL && strcmp(its_name, name) == 0) {
            *found = (VmmHostMember) { offset, btf__resolve_size(types, member->type) };
            return TRUE;
        }
        if (its_name != NULL && *its_name != '\0')
            continue;
        inner = btf__type_by_id(types, btf__resolve_type(types, member->type));
        if (inner != NULL && btf_is_composite(inner)
            && find_member(types, inner, name, offset, nesting + 1, found))
            return TRUE;
    }
    return FALSE;
}

gboolean
vmm_host_kernel_member(const VmmHostKernel *kernel, const char *structure, const char *member, VmmHostMember *found,
                       GError **error)
{
    const struct btf_type *type = find_structure(kernel, structure, error);

    if (type == NULL)
        return FALSE;
    if (find_member(types_of(kernel), type, member, 0, 0, found))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the host's kernel has no %s in its struct %s: it is older or "
                "newer than those that are known", member, structure);
    return FALSE;
}

static gboolean
run_program(VmmHostKernel *kernel, const Order *order, GError **error)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = order, .ctx_size_in = sizeof *order);

    if (bpf_prog_test_run_opts(kernel->program_fd, &options) != 0)
        return set_refused(error, "running a BPF program", errno);
    return options.retval == 0 || set_refused(error, "reading its memory", -(int)options.retval);
}

gboolean
vmm_host_kernel_read(VmmHostKernel *kernel, guint64 address, void *buffer, gsize length, GError **error)
{
    const Order order = { address, length };

    if (address == 0 || length > MAX_READ_BYTES)
        return set_refused(error, "reading its memory", EFAULT);
    if (!run_program(kernel, &order, error))
        return FALSE;
    memcpy(buffer, kernel->window, length);
    return TRUE;
}

gboolean
vmm_host_kernel_number(VmmHostKernel *kernel, guint64 address, const char *structure, const char *member, guint64 *value,
                       GError **error)
{
    VmmHostMember found;

    *value = 0;
    return vmm_host_kernel_member(kernel, structure, member, &found, error)
           && vmm_host_kernel_read(kernel, address + found.offset, value, MIN(found.bytes, sizeof *value), error);
}

gboolean
vmm_host_kernel_object(VmmHostKernel *kernel, int fd, guint64 *address, GError **error)
{
    const Order current = { 0 };
    guint64 task, files, table, array, size, file;

    if (!run_program(kernel, &current, error))
        return FALSE;
    memcpy(&task, kernel->window, sizeof task);
    if (!vmm_host_kernel_number(kernel, task, "task_struct", "files", &files, error)
        || !vmm_host_kernel_number(kernel, files, "files_struct", "fdt", &table, error)
        || !vmm_host_kernel_number(kernel, table, "fdtable", "max_fds", &size, error)
        || !vmm_host_kernel_number(kernel, table, "fdtable", "fd", &array, error))
        return FALSE;
    if (fd < 0 || (guint64)fd >= size)
        return set_refused(error, "our own files", EBADF);
    return vmm_host_kernel_read(kernel, array + sizeof file * fd, &file, sizeof file, error)
           && vmm_host_kernel_number(kernel, file, "file", "private_data", address, error);
}
