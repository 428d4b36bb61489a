/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ktext: writes all of the running kernel's text and read-only data, from _stext to _etext and from __start_rodata to
 * __end_rodata as they are in memory at this moment, to standard output; for a checksum program behind a pipe. Reads
 * /proc/kcore, an ELF file of the kernel's memory, and needs root.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long
symbol(const char *wanted)
{
    FILE *file = fopen("/proc/kallsyms", "r");
    unsigned long address;
    char name[256];

    if (!file)
        err(1, "/proc/kallsyms");
    while (fscanf(file, "%lx %*c %255s%*[^\n]", &address, name) == 2)
        if (strcmp(name, wanted) == 0) {
            fclose(file);
            return address;
        }
    errx(1, "the kernel has no symbol %s", wanted);
}

/* Where in the file ADDRESS is. */
static off_t
offset_of(int core, unsigned long address)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;

    if (pread(core, &header, sizeof header, 0) != sizeof header)
        err(1, "/proc/kcore");
    for (int i = 0; i < header.e_phnum; i++) {
        if (pread(core, &segment, sizeof segment, header.e_phoff + i * sizeof segment) != sizeof segment)
            err(1, "/proc/kcore");
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_memsz)
            return segment.p_offset + (address - segment.p_vaddr);
    }
    errx(1, "/proc/kcore does not hold %#lx", address);
}

static void
copy(int core, unsigned long at, unsigned long end)
{
    static char buffer[1 << 20];
    off_t offset = offset_of(core, at);

    while (at < end) {
        size_t wanted = end - at < sizeof buffer ? end - at : sizeof buffer;
        ssize_t got = pread(core, buffer, wanted, offset);

        if (got <= 0)
            err(1, "/proc/kcore at %#lx", at);
        if (fwrite(buffer, 1, got, stdout) != (size_t) got)
            err(1, "standard output");
        at += got;
        offset += got;
    }
}

/* The symbols of one module stand together in /proc/kallsyms. */
static void
write_modules(int core)
{
    FILE *file = fopen("/proc/kallsyms", "r");
    unsigned long address, first = 0, last = 0;
    char line[512], type, module[128], current[128] = "";

    if (!file)
        err(1, "/proc/kallsyms");
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%lx %c %*s [%127[^]]]", &address, &type, module) != 3 || (type != 't' && type != 'T') ||
            strcmp(module, "bpf") == 0 || strncmp(module, "__builtin", 9) == 0)
            continue;
        if (strcmp(module, current) != 0 || address < first) {
            if (last > first && strcmp(module, current) != 0)
                copy(core, first, last);
            first = address;
            last = strcmp(module, current) != 0 ? address : last;
            strcpy(current, module);
        }
        if (address > last)
            last = address;
    }
    if (last > first)
        copy(core, first, last);
    fclose(file);
}

int
main(int argc, char **argv)
{
    int core = open("/proc/kcore", O_RDONLY);

    if (core < 0)
        err(1, "/proc/kcore");
    copy(core, symbol("_stext"), symbol("_etext"));
    copy(core, symbol("__start_rodata"), symbol("__end_rodata"));
    if (argc > 1 && strcmp(argv[1], "-m") == 0)
        write_modules(core);
    return fflush(stdout) == 0 ? 0 : 1;
}
