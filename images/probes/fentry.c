/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fentry: a BPF program at the entry or the exit of a function of the kernel, and how often it ran. It reads a clock TURNS
 * (1) times, and so can be made to take long.
 *
 * usage: fentry fentry|fexit FUNCTION [TURNS]
 *
 * Prints "attached"; then, for each line on standard input, how often the program ran until then; at its end it detaches.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
bpf(int command, union bpf_attr *attr)
{
    return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static char *
read_btf(void)
{
    const char *path = "/sys/kernel/btf/vmlinux";
    int fd = open(path, O_RDONLY);
    struct stat info;
    char *data;
    off_t done = 0;
    ssize_t n;

    if (fd < 0 || fstat(fd, &info) < 0 || !(data = malloc(info.st_size)))
        err(1, "%s", path);
    while (done < info.st_size && (n = read(fd, data + done, info.st_size - done)) > 0)
        done += n;
    close(fd);
    return data;
}

/* Bytes that follow a type's fixed part. */
static size_t
extra_bytes(const struct btf_type *type)
{
    unsigned int n = BTF_INFO_VLEN(type->info);

    switch (BTF_INFO_KIND(type->info)) {
    case BTF_KIND_INT: return 4;
    case BTF_KIND_ARRAY: return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION: return n * sizeof(struct btf_member);
    case BTF_KIND_ENUM: return n * sizeof(struct btf_enum);
    case BTF_KIND_FUNC_PROTO: return n * sizeof(struct btf_param);
    case BTF_KIND_VAR: return sizeof(struct btf_var);
    case BTF_KIND_DATASEC: return n * sizeof(struct btf_var_secinfo);
    case BTF_KIND_DECL_TAG: return 4;
    case BTF_KIND_ENUM64: return n * 12;
    default: return 0;
    }
}

static unsigned int
find_function(const char *name)
{
    char *data = read_btf();
    const struct btf_header *header = (const void *) data;
    const char *types = data + header->hdr_len + header->type_off, *strings = data + header->hdr_len + header->str_off;
    unsigned int id = 1;

    for (const char *at = types; at < types + header->type_len; id++) {
        const struct btf_type *type = (const void *) at;

        if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC && strcmp(strings + type->name_off, name) == 0)
            return id;
        at += sizeof *type + extra_bytes(type);
    }
    errx(1, "the kernel has no function %s", name);
}

static int
load(unsigned int function, int is_exit, int turns)
{
    const struct bpf_insn code[] = {
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_6, .imm = turns },
        { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns },
        { .code = BPF_ALU64 | BPF_SUB | BPF_K, .dst_reg = BPF_REG_6, .imm = 1 },
        { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_6, .off = -3 },
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
        { .code = BPF_JMP | BPF_EXIT },
    };
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_TRACING, .insns = (uintptr_t) code, .insn_cnt = sizeof code / sizeof *code,
        .license = (uintptr_t) "GPL", .attach_btf_id = function,
        .expected_attach_type = is_exit ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY,
    };
    int fd = bpf(BPF_PROG_LOAD, &attr);

    if (fd < 0)
        err(1, "loading the program");
    return fd;
}

static unsigned long long
run_count(int program)
{
    struct bpf_prog_info info = { 0 };
    union bpf_attr attr = { .info = { .bpf_fd = program, .info_len = sizeof info, .info = (uintptr_t) &info } };

    if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
        err(1, "asking for the program");
    return info.run_cnt;
}

int
main(int argc, char **argv)
{
    union bpf_attr stats = { .enable_stats = { .type = BPF_STATS_RUN_TIME } };
    union bpf_attr attach = { 0 };
    char line[16];
    int program, turns = argc > 3 ? atoi(argv[3]) : 1;

    if (argc < 3 || turns < 1 || (strcmp(argv[1], "fentry") != 0 && strcmp(argv[1], "fexit") != 0))
        errx(2, "usage: fentry fentry|fexit FUNCTION [TURNS]");
    program = load(find_function(argv[2]), strcmp(argv[1], "fexit") == 0, turns);
    attach.raw_tracepoint.prog_fd = program;
    if (bpf(BPF_RAW_TRACEPOINT_OPEN, &attach) < 0)
        err(1, "attaching to %s", argv[2]);
    if (bpf(BPF_ENABLE_STATS, &stats) < 0)
        err(1, "counting");
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("attached");
    while (fgets(line, sizeof line, stdin))
        printf("%llu\n", run_count(program));
    return 0;
}
