/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Just enough of netlink for the programs beside it. All of it ends the program where something fails.
 */
#ifndef TESTS_CVE_EFFECTS_NETLINK_H
#define TESTS_CVE_EFFECTS_NETLINK_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    _Alignas(8) char bytes[4096];
    size_t length;
    struct nlmsghdr *message;   /* the last one begun */
} Netlink;

static inline void
fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void *
netlink_room(Netlink *netlink, size_t length)
{
    void *room = netlink->bytes + netlink->length;

    netlink->length += NLMSG_ALIGN(length);
    if (netlink->length > sizeof netlink->bytes)
        abort();
    if (netlink->message)
        netlink->message->nlmsg_len = netlink->bytes + netlink->length - (char *) netlink->message;
    return room;
}

static inline void
netlink_begin(Netlink *netlink, uint16_t type, uint16_t flags, const void *header, size_t length)
{
    netlink->message = NULL;
    netlink->message = netlink_room(netlink, NLMSG_HDRLEN);
    netlink->message->nlmsg_type = type;
    netlink->message->nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(netlink_room(netlink, length), header, length);
}

static inline struct nlattr *
netlink_open(Netlink *netlink, uint16_t type)
{
    struct nlattr *nest = netlink_room(netlink, NLA_HDRLEN);

    nest->nla_type = type | NLA_F_NESTED;
    return nest;
}

static inline void
netlink_close(Netlink *netlink, struct nlattr *nest)
{
    nest->nla_len = netlink->bytes + netlink->length - (char *) nest;
}

static inline void
netlink_put(Netlink *netlink, uint16_t type, const void *data, size_t length)
{
    struct nlattr *attribute = netlink_room(netlink, NLA_HDRLEN + length);

    attribute->nla_type = type;
    attribute->nla_len = NLA_HDRLEN + length;
    memcpy(attribute + 1, data, length);
}

static inline void
netlink_text(Netlink *netlink, uint16_t type, const char *text)
{
    netlink_put(netlink, type, text, strlen(text) + 1);
}

static inline void
netlink_be32(Netlink *netlink, uint16_t type, uint32_t number)
{
    number = htonl(number);
    netlink_put(netlink, type, &number, sizeof number);
}

/* The first error that the kernel answers what was put together with; 0 if it did it all. Asks for an answer to the last message
 * that is begun before with NLM_F_ACK; errors come without. */
static inline int
netlink_send(Netlink *netlink, int protocol)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    _Alignas(8) char answer[4096];
    ssize_t n;

    if (fd < 0 || send(fd, netlink->bytes, netlink->length, 0) < 0 || (n = recv(fd, answer, sizeof answer, 0)) < 0)
        fail("netlink");
    close(fd);
    for (struct nlmsghdr *it = (struct nlmsghdr *) answer; NLMSG_OK(it, n); it = NLMSG_NEXT(it, n))
        if (it->nlmsg_type == NLMSG_ERROR && ((struct nlmsgerr *) NLMSG_DATA(it))->error)
            return -((struct nlmsgerr *) NLMSG_DATA(it))->error;
    return 0;
}

/* A network of the program's own, which goes with it, with its loopback up. */
static inline void
own_network(void)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd;

    if (unshare(CLONE_NEWNET) != 0 || (fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
        ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        fail("a network of its own");
    close(fd);
}

#endif
