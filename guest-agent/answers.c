/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest-agent/answers.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest-agent/sha256.h"

#define PROTOCOL 1
#define MAX_FILE (64u << 10)
#define MAX_LOG_RECORDS 1000

/* Reads a small file whole; the bytes read, or -1. There is a NUL behind them. */
static ssize_t
read_file(const char *path, char *buffer, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t now = 0;

    if (fd < 0)
        return -1;
    while (length + 1 < room && (now = read(fd, buffer + length, room - 1 - length)) > 0)
        length += (size_t) now;
    close(fd);
    buffer[length] = '\0';
    return now < 0 ? -1 : (ssize_t) length;
}

static void
put_line_of(Out *out, const char *key, const char *path)
{
    char text[256];

    if (read_file(path, text, sizeof text) >= 0)
        out_text(out, key, text, strcspn(text, "\n"));
}

/* ---- kernel ---- */

static void
put_build_id(Out *out)
{
    char notes[4096], hex[2 * 64 + 1];
    ssize_t length = read_file("/sys/kernel/notes", notes, sizeof notes);

    for (ssize_t at = 0; at + (ssize_t) sizeof(Elf64_Nhdr) <= length;) {
        Elf64_Nhdr note;
        ssize_t name = at + (ssize_t) sizeof note, bytes, next;

        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > sizeof notes || note.n_descsz > sizeof notes)
            return;
        bytes = name + (ssize_t) ((note.n_namesz + 3) & ~3u);
        next = bytes + (ssize_t) ((note.n_descsz + 3) & ~3u);
        if (next > length)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0
            && note.n_descsz <= 64) {
            for (unsigned int i = 0; i < note.n_descsz; i++)
                snprintf(hex + 2 * i, 3, "%02x", (unsigned char) notes[bytes + i]);
            out_string(out, "build_id", hex);
            return;
        }
        at = next;
    }
}

static void
answer_kernel(Out *out, const char *argument)
{
    struct utsname name;

    if (uname(&name) == 0) {
        out_string(out, "release", name.release);
        out_string(out, "version", name.version);
    }
    put_build_id(out);
}

/* ---- kallsyms ---- */

static void
answer_kallsyms(Out *out, const char *argument)
{
    FILE *file = fopen("/proc/kallsyms", "re");
    long long n_symbols = 0;
    char *line = NULL, hex[65];
    size_t room = 0;
    ssize_t length;
    Sha256 sha;

    sha256_init(&sha);
    /* Those of modules come and go. */
    while (file != NULL && (length = getline(&line, &room, file)) > 0)
        if (strchr(line, '\t') == NULL) {
            sha256_add(&sha, line, (size_t) length);
            n_symbols++;
        }
    sha256_end(&sha, hex);
    free(line);
    if (file != NULL)
        fclose(file);
    out_number(out, "symbols", n_symbols);
    out_string(out, "sha256", hex);
}

/* ---- tasks and stacks ---- */

typedef void (*PutTask)(Out *out, const char *folder, long pid, long tgid);

static void
put_threads(Out *out, long tgid, PutTask put)
{
    char path[64];
    struct dirent *entry;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%ld/task", tgid);
    folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (isdigit((unsigned char) entry->d_name[0])) {
            snprintf(path, sizeof path, "/proc/%ld/task/%.10s", tgid, entry->d_name);
            put(out, path, atol(entry->d_name), tgid);
        }
    if (folder != NULL)
        closedir(folder);
}

static void
put_all_tasks(Out *out, const char *key, PutTask put)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;

    out_open(out, key, '[');
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (isdigit((unsigned char) entry->d_name[0]))
            put_threads(out, atol(entry->d_name), put);
    out_close(out, ']');
    if (folder != NULL)
        closedir(folder);
}

static void
put_task(Out *out, const char *folder, long pid, long tgid)
{
    char path[96], stat[512];
    char *name, *end;

    snprintf(path, sizeof path, "%s/stat", folder);
    if (read_file(path, stat, sizeof stat) <= 0 || (name = strchr(stat, '(')) == NULL
        || (end = strrchr(stat, ')')) == NULL || end < name || strlen(end) < 3)
        return;
    out_open(out, NULL, '{');
    out_number(out, "pid", pid);
    out_number(out, "tgid", tgid);
    out_text(out, "state", end + 2, 1);
    out_text(out, "name", name + 1, (size_t) (end - name - 1));
    out_close(out, '}');
}

static void
answer_tasks(Out *out, const char *argument)
{
    put_all_tasks(out, "tasks", put_task);
}

static void
put_stack(Out *out, const char *folder, long pid, long tgid)
{
    static char stack[MAX_FILE];
    char path[96], *rest = NULL;

    snprintf(path, sizeof path, "%s/stack", folder);
    if (read_file(path, stack, sizeof stack) < 0)
        return;
    out_open(out, NULL, '{');
    out_number(out, "pid", pid);
    out_open(out, "frames", '[');
    for (char *line = strtok_r(stack, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *frame = strchr(line, ' ');

        out_string(out, NULL, frame != NULL ? frame + 1 : line);
    }
    out_close(out, ']');
    out_close(out, '}');
}

static void
answer_stacks(Out *out, const char *argument)
{
    put_all_tasks(out, "stacks", put_stack);
}

/* ---- modules, livepatch ---- */

static void
answer_modules(Out *out, const char *argument)
{
    FILE *file = fopen("/proc/modules", "re");
    char name[64];
    long long size;
    unsigned long long base;

    out_open(out, "modules", '[');
    while (file != NULL && fscanf(file, "%63s %lld %*s %*s %*s %llx%*[^\n]", name, &size, &base) == 3) {
        char address[24];

        snprintf(address, sizeof address, "0x%llx", base);
        out_open(out, NULL, '{');
        out_string(out, "name", name);
        out_number(out, "size", size);
        out_string(out, "base", address);
        out_close(out, '}');
    }
    out_close(out, ']');
    if (file != NULL)
        fclose(file);
}

static void
answer_livepatch(Out *out, const char *argument)
{
    DIR *folder = opendir("/sys/kernel/livepatch");
    struct dirent *entry;
    char path[320];

    out_number(out, "supported", folder != NULL);
    out_open(out, "patches", '[');
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        out_open(out, NULL, '{');
        out_string(out, "name", entry->d_name);
        snprintf(path, sizeof path, "/sys/kernel/livepatch/%s/enabled", entry->d_name);
        put_line_of(out, "enabled", path);
        snprintf(path, sizeof path, "/sys/kernel/livepatch/%s/transition", entry->d_name);
        put_line_of(out, "transition", path);
        out_close(out, '}');
    }
    out_close(out, ']');
    if (folder != NULL)
        closedir(folder);
}

/* ---- log ---- */

/* The kernel's log from record number ARGUMENT on; "next" is the mark for the next time. */
static void
answer_log(Out *out, const char *argument)
{
    unsigned long long mark = strtoull(argument, NULL, 10), next = mark;
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char record[8192];
    ssize_t length;

    out_open(out, "records", '[');
    for (int n = 0; fd >= 0 && n < MAX_LOG_RECORDS;) {
        unsigned long long sequence;
        const char *text;

        length = read(fd, record, sizeof record - 1);
        /* EPIPE: records were lost meanwhile, and the next one is the oldest there is. */
        if (length < 0 && (errno == EPIPE || errno == EINTR))
            continue;
        if (length <= 0)
            break;
        record[length] = '\0';
        text = strchr(record, ';');
        if (sscanf(record, "%*u,%llu", &sequence) != 1 || text == NULL || sequence < mark)
            continue;
        out_open(out, NULL, '{');
        out_number(out, "number", (long long) sequence);
        out_text(out, "text", text + 1, strcspn(text + 1, "\n"));
        out_close(out, '}');
        next = sequence + 1;
        n++;
    }
    out_close(out, ']');
    out_number(out, "next", (long long) next);
    if (fd >= 0)
        close(fd);
}

/* ---- Requests ---- */

static const struct {
    const char *word;
    void (*answer)(Out *out, const char *argument);
} words[] = {
    { "kernel", answer_kernel }, { "kallsyms", answer_kallsyms }, { "tasks", answer_tasks },
    { "stacks", answer_stacks }, { "modules", answer_modules }, { "log", answer_log },
    { "livepatch", answer_livepatch },
};

static void
begin(Out *out, long long number)
{
    out_clear(out);
    out_open(out, NULL, '{');
    out_number(out, "protocol", PROTOCOL);
    out_number(out, "request", number);
    out_number(out, "agent", getpid());
}

static void
refuse(Out *out, long long number, const char *why)
{
    begin(out, number);
    out_string(out, "error", why);
    out_close(out, '}');
}

void
answer(const char *request, Out *out)
{
    char word[16] = "", argument[24] = "";
    long long number = 0;

    if (sscanf(request, "%9lld %15s %23s", &number, word, argument) < 2) {
        refuse(out, 0, "a request is: NUMBER WORD [ARGUMENT]");
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, word) == 0) {
            begin(out, number);
            words[i].answer(out, argument);
            out_close(out, '}');
            if (out->overflow)
                refuse(out, number, "the answer would be too long");
            return;
        }
    refuse(out, number, "this agent does not know that word");
}
