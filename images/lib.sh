# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the scripts of images/ share. Sourced; the caller has set -euo pipefail.
#
# Everything that is fetched or made lies under $VLP_IMAGES, and may be deleted at any time:
#   kernels/PACKAGE_VERSION/   vmlinuz, config and config-RELEASE -> config, modules/, release, version, and
#                              source -> ../../sources/VERSION
#   kernels/NAME-VERSION_HASH/ the same without links, of kernels that build-kernel made
#   sources/VERSION/           kernel source tree, complete if it holds .complete
#   initramfs/HASH.cpio        test guests' root file systems, named after what went into them
#   apt/SUITE/                 package lists of suites that the machine itself does not use
#   compilers/NAME_VERSION/   compilers of suites that the machine itself does not use
#   programs/NAME-HASH         compiled helpers and probes

images=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [ -z "${VLP_IMAGES:-}" ]; then
    VLP_IMAGES=${XDG_CACHE_HOME:-/var/cache}/virt-livepatch/images
fi

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

PATH=$PATH:/usr/sbin:/sbin

# progress TEXT...: for people, never part of a script's answer.
progress() {
    echo "${0##*/}: $*" >&2
}

# lock_images: one process at a time from here to the end of this one. What it starts must not inherit $lock_fd.
lock_images() {
    mkdir -p "$VLP_IMAGES"
    exec {lock_fd}> "$VLP_IMAGES/.lock"
    flock "$lock_fd"
}

# make_scratch: a directory ($scratch) on the cache's own file system, so that what is finished there can be renamed
# into place; removed on the way out. Needs the lock, and so may remove what an interrupted run left.
make_scratch() {
    rm -rf "$VLP_IMAGES"/.scratch.*
    scratch=$(mktemp -d "$VLP_IMAGES/.scratch.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
}

# hash_of FILE...: a short name for the contents of all of them, in this order.
hash_of() {
    cat -- "$@" | sha256sum | cut -c 1-16
}

# compiled SOURCE: compiles a small static program unless that was done before, and prints where it is.
compiled() {
    local source=$1 name program temporary
    local flags=(-std=gnu11 -D_GNU_SOURCE -Os -static -s -pthread -Wall -Wextra -I "$images")
    name=$(basename "$source" .c)
    program=$VLP_IMAGES/programs/$name-$(hash_of "$source" "$images/ctl.h" "$images/lib.sh")
    if [ ! -x "$program" ]; then
        mkdir -p "$VLP_IMAGES/programs"
        temporary=$(mktemp "$program.XXXXXX")
        gcc "${flags[@]}" -o "$temporary" "$source" || { rm -f "$temporary"; die "cannot compile $source"; }
        chmod 755 "$temporary"
        mv "$temporary" "$program"
    fi
    echo "$program"
}

# stop_after OWNER STOP DIRECTORY: has STOP (stop-guest or stop-domain) end the guest when the process OWNER has ended,
# however it did. Looks once a second; the caller's own trap is quicker.
stop_after() {
    setsid sh -c 'while kill -0 "$1" && [ -d "$3" ]; do sleep 1; done 2> /dev/null; exec "$2" "$3"' - "$@" \
        < /dev/null > /dev/null 2>&1 &
}
