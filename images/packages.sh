# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# Packages of the distribution's suites, unpacked without being installed. Sourced after lib.sh, with the lock held and
# $scratch made. $option (may be empty) is for apt.

option=()

# use_suite SUITE: lets apt see that suite, for $architecture, and nothing else, from here on, with lists and settings of its
# own.
use_suite() {
    local directory=$VLP_IMAGES/apt/$1${architecture:+-$architecture} label=Debian site
    [[ $1 != *-security ]] || label=Debian-Security
    site=$(env -u APT_CONFIG apt-get indextargets --format '$(SITE)' 'Identifier: Packages' "Label: $label" | head -n 1)
    [ -n "$site" ] || die "apt has no list of packages of $label's; run: apt-get update"
    mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $1 main" > "$directory/sources.list"
    cat > "$directory/apt.conf" <<END
Dir::Etc::SourceList "$directory/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$directory/lists";
Dir::Cache "$directory/cache";
END
    [ -z "$architecture" ] || cat >> "$directory/apt.conf" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
END
    export APT_CONFIG=$directory/apt.conf
    if [ -z "$(find "$directory/updated" -mtime -1 2> /dev/null)" ]; then
        apt-get update -qq >&2 || die "cannot fetch the package list of $1"
        touch "$directory/updated"
    fi
}

# suite_of VERSION: where it is to be found if apt's own suites are not the place.
suite_of() {
    case $1 in
        *~bpo12*) echo bookworm-backports ;;
        *~deb12*) ;;
        5.10 | 5.10.*) echo bullseye ;;
        6.12 | 6.12.*) echo trixie ;;
        newest | [7-9].*) echo sid ;;
    esac
}

# unpack [-p PATTERN] PACKAGE[=VERSION]...: downloads packages and unpacks them, or what of them fits, into $scratch/root, beside
# what is there. As root, apt-get downloads as a user of its own, which must be able to write to the directory.
unpack() {
    local pattern='*' file
    [ "$1" != -p ] || { pattern=$2; shift 2; }
    mkdir -p "$scratch/download" "$scratch/root"
    if [ "$(id -u)" = 0 ] && getent passwd _apt > /dev/null; then
        chmod 711 "$scratch"
        chown _apt "$scratch/download"
    fi
    progress "downloading ${*//=/ }"
    (cd "$scratch/download" && apt-get "${option[@]}" download -qq "$@" >&2) ||
        die "cannot download ${*//=/ }; if the package lists are old, run: apt-get update"
    for file in "$scratch"/download/*.deb; do
        dpkg --fsys-tarfile "$file" | tar -x -C "$scratch/root" --no-same-owner --wildcards "$pattern"
    done
    rm -r "$scratch/download"
}
