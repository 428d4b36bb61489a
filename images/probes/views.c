/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * views: what the guest itself says of its tasks, a line for each thread of each process, tab between the parts:
 *
 *     PID SWITCHES STATE NAME STACK
 *
 * SWITCHES are its voluntary and involuntary context switches, read first; STACK is /proc/PID/stack with "|" for newlines.
 * The first line is "first PID" and the last one "last PID": the process id that was given out last, before and after all
 * this was looked at. A task that begins or ends in between may be left out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (64 * 1024)

/* The whole of DIRECTORY/NAME with a NUL behind it; its length, or -1. */
static ssize_t
read_file(const char *directory, const char *name, char *text)
{
    char path[512];
    ssize_t length = 0, n;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while ((n = read(fd, text + length, BYTES - 1 - length)) > 0)
        length += n;
    close(fd);
    text[length] = '\0';
    return n < 0 ? -1 : length;
}

static void
print_stack(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        putchar(*at == '\n' ? '|' : *at);
    putchar('\n');
}

static void
print_task(const char *directory, const char *pid)
{
    static char status[BYTES], stat[BYTES], stack[BYTES];
    const char *voluntary, *involuntary;
    char *name, *end;

    if (read_file(directory, "status", status) <= 0 || read_file(directory, "stat", stat) <= 0
        || read_file(directory, "stack", stack) < 0)
        return;
    voluntary = strstr(status, "\nvoluntary_ctxt_switches:");
    involuntary = strstr(status, "\nnonvoluntary_ctxt_switches:");
    name = strchr(stat, '(');
    end = strrchr(stat, ')');
    if (voluntary == NULL || involuntary == NULL || name == NULL || end == NULL)
        return;
    *end = '\0';
    printf("%s\t%ld+%ld\t%c\t%s\t", pid, atol(strchr(voluntary, ':') + 1), atol(strchr(involuntary, ':') + 1), end[2],
           name + 1);
    print_stack(stack);
}

static void
for_each_number(const char *path, void (*visit)(const char *directory, const char *number))
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char inner[512];

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        visit(inner, entry->d_name);
    }
    if (directory != NULL)
        closedir(directory);
}

static void
visit_process(const char *directory, const char *number)
{
    char path[512];

    (void) number;
    snprintf(path, sizeof(path), "%.500s/task", directory);
    for_each_number(path, print_task);
}

static void
print_last_pid(const char *when)
{
    static char load[BYTES];

    if (read_file("/proc", "loadavg", load) <= 0)
        exit(1);
    printf("%s\t%ld\n", when, atol(strrchr(load, ' ') + 1));
}

int
main(void)
{
    print_last_pid("first");
    for_each_number("/proc", visit_process);
    print_last_pid("last");
    return 0;
}
