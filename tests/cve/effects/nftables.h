/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A batch of nf_tables requests, all done or none.
 */
#ifndef TESTS_CVE_EFFECTS_NFTABLES_H
#define TESTS_CVE_EFFECTS_NFTABLES_H

#include "netlink.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

static inline void
nft_mark(Netlink *batch, uint16_t type)
{
    const struct nfgenmsg header = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };

    netlink_begin(batch, type, 0, &header, sizeof header);
}

static inline void
nft_begin(Netlink *batch, uint16_t type, uint8_t family, uint16_t flags)
{
    const struct nfgenmsg header = { .nfgen_family = family };

    netlink_begin(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof header);
}

static inline void
nft_table(Netlink *batch, uint8_t family)
{
    nft_begin(batch, NFT_MSG_NEWTABLE, family, NLM_F_CREATE);
    netlink_text(batch, NFTA_TABLE_NAME, "t");
}

/* DEVICE may be NULL. */
static inline void
nft_chain(Netlink *batch, uint8_t family, uint32_t hook, const char *device)
{
    struct nlattr *nest;

    nft_begin(batch, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);
    netlink_text(batch, NFTA_CHAIN_TABLE, "t");
    netlink_text(batch, NFTA_CHAIN_NAME, "c");
    netlink_text(batch, NFTA_CHAIN_TYPE, "filter");
    nest = netlink_open(batch, NFTA_CHAIN_HOOK);
    netlink_be32(batch, NFTA_HOOK_HOOKNUM, hook);
    netlink_be32(batch, NFTA_HOOK_PRIORITY, 0);
    if (device)
        netlink_text(batch, NFTA_HOOK_DEV, device);
    netlink_close(batch, nest);
}

/* Expressions follow, and a netlink_close() of what is returned. */
static inline struct nlattr *
nft_rule(Netlink *batch, uint8_t family)
{
    nft_begin(batch, NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
    netlink_text(batch, NFTA_RULE_TABLE, "t");
    netlink_text(batch, NFTA_RULE_CHAIN, "c");
    return netlink_open(batch, NFTA_RULE_EXPRESSIONS);
}

static inline void
nft_expression(Netlink *batch, const char *name, struct nlattr *nests[2])
{
    nests[0] = netlink_open(batch, NFTA_LIST_ELEM);
    netlink_text(batch, NFTA_EXPR_NAME, name);
    nests[1] = netlink_open(batch, NFTA_EXPR_DATA);
}

static inline void
nft_expression_end(Netlink *batch, struct nlattr *nests[2])
{
    netlink_close(batch, nests[1]);
    netlink_close(batch, nests[0]);
}

#endif
