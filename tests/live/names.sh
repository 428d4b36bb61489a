# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Updates whose new code gives what it brings along to objects, which outlive it: each new network gets a table of settings with a
# name and limits of the update's.

# names_create: makes $work/names.vlp for $VLP_KERNEL, and sets $names to its id.
names_create() {
    make_patch names net/unix/sysctl_net_unix.c '
/^int __net_init unix_sysctl_register/i\
static const int vlp_limits[] = { 3, 5000 };\

/table\[0\]\.data = &net/a\
		pr_info("%s: of a new network\\n", __func__);\
		table[0].procname = "vlp_qlen";\
		table[0].extra1 = (void *)\&vlp_limits[0];\
		table[0].extra2 = (void *)\&vlp_limits[1];\
		table[0].proc_handler = proc_dointvec_minmax;'
    update_create "$work/names.patch" names
    names=$(< "$work/names.id")
}

# labels_create: makes $work/labels.vlp for $VLP_KERNEL, with variables, and sets $labels to its id. One is a table of settings, whose
# only one is handled by a new function.
labels_create() {
    make_patch labels net/unix/sysctl_net_unix.c '
/^int __net_init unix_sysctl_register/i\
static char vlp_label[16];\
static int vlp_highest = 5000;\
\
static int vlp_note(struct ctl_table *table, int write, void *buffer, size_t *lenp, loff_t *ppos)\
{\
	return -EXDEV;\
}\
\
static struct ctl_table vlp_notes[] = {\
	{ .procname = "note", .mode = 0444, .proc_handler = vlp_note },\
	{ }\
};\

/table\[0\]\.data = &net/a\
		snprintf(vlp_label, sizeof(vlp_label), "vlp_%s", "qlen");\
		table[0].procname = vlp_label;\
		table[0].extra2 = \&vlp_highest;\
		table[0].proc_handler = proc_dointvec_minmax;\
		if (!register_net_sysctl(net, "net/vlp", vlp_notes))\
			goto err_reg;'
    update_create "$work/labels.patch" labels
    labels=$(< "$work/labels.id")
}

# network NAME: makes one in the guest, which stays.
network() {
    in_guest "mkfifo /run/$1; unshare -n sh -c 'echo \$\$ > /run/$1; exec sleep 100000' > /dev/null 2>&1 < /dev/null &
        read pid < /run/$1; echo \$pid > /run/$1.pid"
}

# settings NAME: what that network's are called; and what becomes of a number below the limit, one above, and one between.
settings() {
    in_guest "nsenter --net=/proc/\$(cat /run/$1.pid)/ns/net sh -c '
        cd /proc/sys/net/unix && ls && for n in 2 5001 4; do echo \$n > vlp_qlen; done; cat vlp_qlen' 2>&1" | paste -sd ' '
}
settings_by_names='vlp_qlen sh: write error: Invalid argument sh: write error: Invalid argument 4'
settings_by_labels='vlp_qlen sh: write error: Invalid argument 4'

# note NAME: what reading that network's note ends in.
note() {
    in_guest "nsenter --net=/proc/\$(cat /run/$1.pid)/ns/net cat /proc/sys/net/vlp/note 2>&1" | sed 's/.*: //'
}
