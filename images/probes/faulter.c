/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faulter: has the kernel list a directory into memory that is not there, and into memory that ends after the first few
 * bytes, and says what came of it.
 *
 * usage: faulter DIRECTORY
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
list_into(const char *path, void *buffer)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    long result = syscall(SYS_getdents64, fd, buffer, 4096);

    printf("%s\n", result < 0 ? strerrorname_np(errno) : "listed");
    close(fd);
}

int
main(int argc, char **argv)
{
    long page = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (argc != 2 || pages == MAP_FAILED || munmap(pages + 2 * page, 2 * page) != 0)
        return 2;
    list_into(argv[1], pages);
    list_into(argv[1], pages + 2 * page);
    list_into(argv[1], pages + 2 * page - 8);
    return 0;
}
