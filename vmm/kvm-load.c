/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-load.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <string.h>

#include "vmm/kvm-mptable.h"

/* What lies below the kernel. */
#define GDT_PA          0x500ULL
#define PML4_PA         0x1000ULL
#define PDPT_PA         0x2000ULL
#define DIRECTORIES_PA  0x3000ULL       /* four */
#define BOOT_PARAMS_PA  0x7000ULL
#define LOW_END         0x10000ULL
#define COMMAND_LINE_PA 0x20000ULL
#define LOW_MEMORY_END  0x9fc00ULL
#define BIOS_START      0xf0000ULL
#define HIGH_START      0x100000ULL

#define SETUP_HEADER_AT 0x1f1
#define SETUP_JUMP_END  0x202           /* of two bytes, the second one its distance */
#define SECTOR_BYTES    512
#define ENTRY_64        0x200
#define FIRST_64_BIT    0x020c          /* version of the boot protocol */
#define PAGE_BYTES      4096ULL
#define LARGE_PAGE      (2ULL << 20)

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18
#define LOADER_UNDEFINED 0xff

#define CR0_PE 1ULL
#define CR4_PAE (1ULL << 5)
#define EFER_LME (1ULL << 8)

typedef struct {
    char *bytes;
    gsize length;
} File;

static void
file_clear(File *file)
{
    g_free(file->bytes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(File, file_clear)

static gboolean
read_file(const char *path, File *file, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (g_file_get_contents(path, &file->bytes, &file->length, &cause))
        return TRUE;
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_NOT_FOUND, cause->message);
    return FALSE;
}

static gboolean
set_no_room(GError **error, const char *what)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "there is no room for %s in the guest's memory", what);
    return FALSE;
}

/* The first 4 GiB, each address being its own. */
static void
map_identity(VmmVm *vm)
{
    guint64 *pml4 = (gpointer)vmm_vm_bytes(vm, PML4_PA, PAGE_BYTES);
    guint64 *pdpt = (gpointer)vmm_vm_bytes(vm, PDPT_PA, PAGE_BYTES);
    guint64 *directories = (gpointer)vmm_vm_bytes(vm, DIRECTORIES_PA, 4 * PAGE_BYTES);

    pml4[0] = PDPT_PA | 3;
    for (guint64 i = 0; i < 4; i++)
        pdpt[i] = (DIRECTORIES_PA + i * PAGE_BYTES) | 3;
    for (guint64 i = 0; i < 4 * 512; i++)
        directories[i] = i * LARGE_PAGE | 0x83;
}

static gboolean
enter_at(VmmVm *vm, guint index, const struct kvm_regs *regs, GError **error)
{
    const struct kvm_segment code = {
        .selector = CODE_SELECTOR, .limit = 0xffffffff, .type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1,
    };
    const struct kvm_segment data = {
        .selector = DATA_SELECTOR, .limit = 0xffffffff, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
    };
    guint64 *gdt = (gpointer)vmm_vm_bytes(vm, GDT_PA, 32);
    struct kvm_sregs sregs;

    if (!vmm_vm_get_sregs(vm, index, &sregs, error))
        return FALSE;
    gdt[CODE_SELECTOR / 8] = 0x00af9b000000ffffULL;
    gdt[DATA_SELECTOR / 8] = 0x00cf93000000ffffULL;
    sregs.cs = code;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
    sregs.gdt.base = GDT_PA;
    sregs.gdt.limit = 31;
    sregs.cr0 = CR0_PE | VMM_CR0_PG;
    sregs.cr3 = PML4_PA;
    sregs.cr4 = CR4_PAE;
    sregs.efer = EFER_LME | VMM_EFER_LMA;
    return vmm_vm_set_up_vcpu(vm, index, regs, &sregs, error);
}

static gboolean
load_segment(VmmVm *vm, const File *file, const Elf64_Phdr *segment, guint64 *end, GError **error)
{
    guint8 *memory = NULL;

    if (segment->p_type != PT_LOAD || segment->p_memsz == 0)
        return TRUE;
    if (segment->p_paddr >= LOW_END)
        memory = vmm_vm_bytes(vm, segment->p_paddr, segment->p_memsz);
    if (memory == NULL || segment->p_filesz > segment->p_memsz || segment->p_offset > file->length
        || segment->p_filesz > file->length - segment->p_offset)
        return set_no_room(error, "a part of the ELF file, which is damaged or too large,");
    memcpy(memory, file->bytes + segment->p_offset, segment->p_filesz);
    *end = MAX(*end, segment->p_paddr + segment->p_memsz);
    return TRUE;
}

static gboolean
load_elf(VmmVm *vm, const File *file, guint64 *entry, guint64 *end, GError **error)
{
    Elf64_Ehdr header = { 0 };

    if (file->length >= sizeof header)
        memcpy(&header, file->bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64
        || header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr)
        || header.e_phoff > file->length || header.e_phnum * sizeof(Elf64_Phdr) > file->length - header.e_phoff) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "this is no kernel: neither a bzImage nor an "
                            "x86-64 ELF file");
        return FALSE;
    }
    *end = 0;
    for (guint i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;

        memcpy(&segment, file->bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        if (!load_segment(vm, file, &segment, end, error))
            return FALSE;
    }
    *entry = header.e_entry;
    return TRUE;
}

/* What an older kernel's header does not have stays 0: its length is where its jump leads to. */
static gboolean
is_bzimage(const File *file, struct setup_header *header)
{
    gsize length;

    if (file->length < SETUP_HEADER_AT + sizeof *header)
        return FALSE;
    length = SETUP_JUMP_END + (guint8)file->bytes[SETUP_JUMP_END - 1] - SETUP_HEADER_AT;
    memset(header, 0, sizeof *header);
    memcpy(header, file->bytes + SETUP_HEADER_AT, MIN(length, sizeof *header));
    return header->header == 0x53726448 && header->boot_flag == 0xaa55;
}

static gboolean
load_bzimage(VmmVm *vm, const File *file, const struct setup_header *header, guint64 *entry, guint64 *end,
             GError **error)
{
    gsize setup = (1 + (header->setup_sects != 0 ? header->setup_sects : 4)) * SECTOR_BYTES;
    guint8 *memory;

    if (header->version < FIRST_64_BIT || (header->xloadflags & XLF_KERNEL_64) == 0 || setup > file->length) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the kernel has no 64-bit entry point");
        return FALSE;
    }
    memory = vmm_vm_bytes(vm, header->pref_address, MAX(header->init_size, file->length - setup));
    if (memory == NULL || header->pref_address < HIGH_START)
        return set_no_room(error, "the kernel");
    memcpy(memory, file->bytes + setup, file->length - setup);
    *entry = header->pref_address + ENTRY_64;
    *end = header->pref_address + MAX(header->init_size, file->length - setup);
    return TRUE;
}

static gboolean
load_initrd(VmmVm *vm, const char *path, guint64 kernel_end, struct setup_header *header, GError **error)
{
    guint64 top = MIN(MIN(vmm_vm_memory_bytes(vm), VMM_VM_GAP_START), (guint64)header->initrd_addr_max + 1), pa;
    g_auto(File) file = { 0 };

    if (!read_file(path, &file, error))
        return FALSE;
    if (file.length > top)
        return set_no_room(error, "the initrd");
    pa = (top - file.length) & ~(PAGE_BYTES - 1);
    if (pa < kernel_end)
        return set_no_room(error, "the initrd");
    memcpy(vmm_vm_bytes(vm, pa, file.length), file.bytes, file.length);
    header->ramdisk_image = pa;
    header->ramdisk_size = file.length;
    return TRUE;
}

static void
describe_memory(VmmVm *vm, struct boot_params *params)
{
    const VmmKvmRegion *regions;
    guint n = vmm_vm_regions(vm, &regions);

    params->e820_table[params->e820_entries++] = (struct boot_e820_entry) { 0, LOW_MEMORY_END, 1 };
    params->e820_table[params->e820_entries++] =
        (struct boot_e820_entry) { BIOS_START, HIGH_START - BIOS_START, 2 };
    params->e820_table[params->e820_entries++] =
        (struct boot_e820_entry) { HIGH_START, regions[0].length - HIGH_START, 1 };
    if (n > 1)
        params->e820_table[params->e820_entries++] =
            (struct boot_e820_entry) { regions[1].pa, regions[1].length, 1 };
}

static gboolean
load_linux(VmmVm *vm, const VmmLoadOrder *order, const File *file, GError **error)
{
    struct setup_header header;
    struct boot_params *params = (gpointer)vmm_vm_bytes(vm, BOOT_PARAMS_PA, sizeof *params);
    gsize line_bytes = strlen(order->command_line) + 1;
    struct kvm_regs regs = { .rflags = 2, .rsi = BOOT_PARAMS_PA };
    guint64 end = 0;
    gboolean loaded;

    if (is_bzimage(file, &header)) {
        loaded = load_bzimage(vm, file, &header, (guint64 *)&regs.rip, &end, error);
    } else {
        header = (struct setup_header) { .header = 0x53726448, .boot_flag = 0xaa55, .version = 0x20f };
        loaded = load_elf(vm, file, (guint64 *)&regs.rip, &end, error);
    }
    if (!loaded)
        return FALSE;
    if (header.initrd_addr_max == 0)
        header.initrd_addr_max = 0x7fffffff;
    if (order->initrd != NULL && !load_initrd(vm, order->initrd, end, &header, error))
        return FALSE;
    if (line_bytes > LOW_MEMORY_END - COMMAND_LINE_PA || (header.cmdline_size != 0 && line_bytes - 1 > header.cmdline_size))
        return set_no_room(error, "the command line");
    memcpy(vmm_vm_bytes(vm, COMMAND_LINE_PA, line_bytes), order->command_line, line_bytes);
    header.cmd_line_ptr = COMMAND_LINE_PA;
    header.type_of_loader = LOADER_UNDEFINED;
    params->hdr = header;
    describe_memory(vm, params);
    vmm_mptable_write(vmm_vm_bytes(vm, BIOS_START, VMM_MPTABLE_MAX_BYTES), BIOS_START, vmm_vm_n_vcpus(vm));
    return enter_at(vm, 0, &regs, error);
}

static gboolean
load_bare(VmmVm *vm, const File *file, GError **error)
{
    guint64 entry, end;

    if (!load_elf(vm, file, &entry, &end, error))
        return FALSE;
    for (guint i = 0; i < vmm_vm_n_vcpus(vm); i++) {
        struct kvm_regs regs = { .rip = entry, .rflags = 2, .rdi = i, .rsi = vmm_vm_n_vcpus(vm) };

        if (!enter_at(vm, i, &regs, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
vmm_load(VmmVm *vm, const VmmLoadOrder *order, GError **error)
{
    g_auto(File) file = { 0 };

    if (!read_file(order->kernel, &file, error))
        return FALSE;
    map_identity(vm);
    if (order->is_bare ? load_bare(vm, &file, error) : load_linux(vm, order, &file, error))
        return TRUE;
    g_prefix_error(error, "%s: ", order->kernel);
    return FALSE;
}
