/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the host runs commands in a test guest: what goes over the virtio-serial port named CTL_PORT between guest-exec
 * (host) and the ctl probe (guest).
 *
 * Both ways it is frames: a CtlHeader, then LENGTH bytes. The host opens a session with HELLO, under a number of its own
 * that every frame of the session carries; the guest echoes it. One RUN follows, then INPUT as there is, and INPUT_END;
 * meanwhile the guest sends OUTPUT and ERROR, and EXIT once the command has ended. A HELLO of another session, or the
 * host's going away, ends the command. Whoever finds no magic where a header should be skips to the next magic, because
 * a host that was killed may have left half a frame behind.
 */
#ifndef IMAGES_CTL_H
#define IMAGES_CTL_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define CTL_PORT "virt-livepatch.ctl"
#define CTL_MAGIC 0x316c74632d706c76ULL     /* "vlp-ctl1" */
#define CTL_MAX_LENGTH (32 * 1024 - sizeof(CtlHeader))  /* a frame fits into one write to the port */

enum {
    CTL_HELLO = 1,
    CTL_RUN,            /* a command for sh -c, without a trailing NUL */
    CTL_INPUT,
    CTL_INPUT_END,
    CTL_OUTPUT,
    CTL_ERROR,
    CTL_EXIT,           /* uint32_t: exit status, 128 + signal if it was killed */
};

typedef struct {
    uint64_t magic, session;
    uint32_t type, length;      /* length: bytes, at most CTL_MAX_LENGTH */
} CtlHeader;

typedef struct {
    CtlHeader header;
    char data[CTL_MAX_LENGTH];
} CtlFrame;

/* Collects one frame out of however many reads. */
typedef struct {
    CtlFrame frame;
    size_t have;        /* bytes of it that are there */
} CtlReader;

/* Writes all of it; 0, or -1 with errno. */
static inline int
ctl_write_all(int fd, const void *data, size_t length)
{
    const char *at = data;

    while (length > 0) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += n;
        length -= n;
    }
    return 0;
}

/* FRAME's data is in place; fills in the rest and sends it. */
static inline int
ctl_send(int fd, CtlFrame *frame, uint64_t session, uint32_t type, uint32_t length)
{
    frame->header = (CtlHeader) { .magic = CTL_MAGIC, .session = session, .type = type, .length = length };
    return ctl_write_all(fd, frame, sizeof(frame->header) + length);
}

/* Whether what is there can be the start of a frame. */
static inline int
ctl_is_sound(const CtlReader *reader)
{
    const CtlHeader *header = &reader->frame.header;
    uint64_t magic = CTL_MAGIC;
    size_t have = reader->have;

    return memcmp(header, &magic, have < sizeof(magic) ? have : sizeof(magic)) == 0 &&
           (have < sizeof(*header) || header->length <= CTL_MAX_LENGTH);
}

static inline int
ctl_is_whole(const CtlReader *reader)
{
    size_t have = reader->have;

    return have >= sizeof(CtlHeader) && have == sizeof(CtlHeader) + reader->frame.header.length;
}

/*
 * One read from FD. Returns 1 when the reader's frame is whole (it stays so until the next call), 0 when there is more to
 * come, -1 with errno on an error, with errno 0 at the end of file.
 */
static inline int
ctl_receive(int fd, CtlReader *reader)
{
    char *start = (char *) &reader->frame;
    size_t whole = sizeof(CtlHeader);
    ssize_t n;

    if (ctl_is_whole(reader))
        reader->have = 0;
    if (reader->have >= sizeof(CtlHeader))
        whole += reader->frame.header.length;
    n = read(fd, start + reader->have, whole - reader->have);
    if (n == 0)
        errno = 0;
    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : -1;
    reader->have += n;
    while (!ctl_is_sound(reader))
        memmove(start, start + 1, --reader->have);
    return ctl_is_whole(reader);
}

#endif
