# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# What demo and test share; $work is the directory that holds all that the script makes in this checkout.
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$checkout/.cache/$(basename "$0")

# Containers with their own addresses, and packages, need root.
become_root() {
    [ "$(id -u)" = 0 ] && return
    exec sudo -- "$0" "$@"
}

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

took() { printf '%d min %02d s' $(((SECONDS - $1) / 60)) $(((SECONDS - $1) % 60)); }

# Installs those Debian packages that are missing.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    say "Installing from Debian: ${missing[*]}"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

need_podman() {
    need_packages aardvark-dns ca-certificates crun iptables mmdebstrap netavark nftables openssh-client podman runc
}

# Puts the programs of a requirements file first in the path.
need_venv() {
    local requirements=$checkout/requirements/$1.txt wanted
    wanted=$(cat "$requirements" "$checkout/tests/unit/requirements.txt")
    python3 -c 'import ensurepip' 2>/dev/null || need_packages python3-venv
    if [ "$wanted" != "$(cat "$work/venv/installed.txt" 2>/dev/null)" ]; then
        say "Installing with pip: ${requirements#"$checkout"/}"
        python3 -m venv --clear "$work/venv"
        PIP_CACHE_DIR=$work/pip "$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
        echo "$wanted" > "$work/venv/installed.txt"
    fi
    PATH=$work/venv/bin:$PATH
}

# Lets Ansible see this checkout as the collection, and nothing of the user's own configuration.
use_collection() {
    mkdir -p "$work/collections/ansible_collections/virtmail"
    ln -sfn "$checkout" "$work/collections/ansible_collections/virtmail/mailserver"
    : > "$work/ansible.cfg"
    export ANSIBLE_COLLECTIONS_PATH=$work/collections ANSIBLE_HOME=$work/ansible ANSIBLE_CONFIG=$work/ansible.cfg
}
