#!/bin/sh
# Installs the brokers that ci/brokers/ has profiles for.
#
#   ci/install-brokers.sh [--dir FOLDER] [NAME...]
#
# NAME is one of those that `--list` prints; without a NAME, all of them. What does not come as a system package goes
# into FOLDER (target/brokers by default, where the profiles look for it). What is there already is left alone. Needs
# Debian or a relative of it, and root for the system packages. Says at the end what could not be installed, and then
# ends with 1.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=$root/target/brokers
all="mosquitto mosquitto-bpo"
sources=/etc/apt/sources.list.d/debian.sources

say() { printf '%s\n' "$*"; }
# Why a broker cannot be installed; the functions below end with it.
why=''
fail() { why=$*; return 1; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive

# Installs system packages, once the lists are fresh. Debian starts a service when it installs one, and a broker that
# runs already would take a port and answer in place of the one under test, so this is forbidden for the time being.
packages() {
    command -v apt-get >/dev/null || { fail "no apt-get on this system"; return 1; }
    [ "$(id -u)" = 0 ] || { fail "needs root to install $*"; return 1; }
    policy=/usr/sbin/policy-rc.d
    made_policy=''
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made_policy=yes
    fi
    apt-get -o DPkg::Lock::Timeout=300 -qq update >"$folder/apt.log" 2>&1 &&
        apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" >>"$folder/apt.log" 2>&1
    installed=$?
    [ -z "$made_policy" ] || rm -f "$policy"
    [ $installed = 0 ] || fail "apt-get could not install $* (see $folder/apt.log)"
}

install_mosquitto() {
    command -v mosquitto >/dev/null && return
    packages mosquitto
}

# A newer mosquitto from bookworm-backports, unpacked beside the installed one, whose libraries it uses as far as they go.
# apt works with lists of its own for this, so that nothing changes for the system.
install_mosquitto_bpo() {
    place=$folder/mosquitto-bpo
    runs_mosquitto "$place/root" && return
    [ -r "$sources" ] || { fail "no $sources, so this is not Debian 12"; return 1; }
    grep -q '^Suites:.*bookworm' "$sources" || { fail "bookworm-backports is for Debian 12 only"; return 1; }
    install_mosquitto || return 1
    rm -rf "$place"
    mkdir -p "$place/lists/partial" "$place/cache/archives/partial" "$place/parts" "$place/debs" || { fail "cannot write $place"; return 1; }
    # The first mirror of the system, with the other suite too.
    awk 'BEGIN { RS = "" } NR == 1' "$sources" |
        sed 's/^Suites:.*/Suites: bookworm bookworm-backports/' >"$place/parts/bpo.sources"
    (
        cd "$place/debs" || exit 1
        set -- -qq -o Dir::State::lists="$place/lists" -o Dir::Cache="$place/cache" \
            -o Dir::Etc::sourceparts="$place/parts" -o Dir::Etc::sourcelist=/dev/null -o APT::Sandbox::User=root
        apt-get "$@" update &&
            apt-get "$@" download mosquitto/bookworm-backports libmosquitto1/bookworm-backports libwebsockets17 &&
            for deb in *.deb; do dpkg -x "$deb" "$place/root.part" || exit 1; done
    ) >"$folder/mosquitto-bpo.log" 2>&1 || { fail "could not fetch it from bookworm-backports (see $folder/mosquitto-bpo.log)"; return 1; }
    rm -rf "$place/lists" "$place/cache" "$place/debs"
    runs_mosquitto "$place/root.part" || { fail "it does not run here: $(missing_libraries "$place/root.part")"; return 1; }
    # Moved last, so that what is there is whole.
    mv "$place/root.part" "$place/root"
}

# The folders of a root's libraries; Debian names them after the processor.
libraries_of() {
    set -- "$1"/usr/lib/*-linux-gnu*
    printf '%s' "$1"
}

# Whether the mosquitto in this root starts and says its version.
runs_mosquitto() {
    [ -x "$1/usr/sbin/mosquitto" ] || return
    LD_LIBRARY_PATH=$(libraries_of "$1") "$1/usr/sbin/mosquitto" -h 2>/dev/null | grep -q '^mosquitto version'
}

missing_libraries() {
    LD_LIBRARY_PATH=$(libraries_of "$1") ldd "$1/usr/sbin/mosquitto" 2>&1 | awk '/not found/ { printf "%s ", $1 }'
}

names=''
while [ $# -gt 0 ]; do
    case $1 in
    --dir)
        [ $# -gt 1 ] || { say "--dir needs a folder" >&2; exit 2; }
        mkdir -p "$2" && folder=$(CDPATH='' cd -- "$2" && pwd) || exit 2
        shift
        ;;
    --list) printf '%s\n' $all; exit ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
    -*) say "unknown option $1; see --help" >&2; exit 2 ;;
    *)
        case " $all " in
        *" $1 "*) names="$names $1" ;;
        *) say "unknown broker $1; there are: $all" >&2; exit 2 ;;
        esac
        ;;
    esac
    shift
done
mkdir -p "$folder" || exit 1

missing=0
for name in ${names:-$all}; do
    why=''
    if "install_$(printf '%s' "$name" | tr - _)"; then
        say "$name: installed"
    else
        say "$name: NOT installed: ${why:-it failed}"
        missing=$((missing + 1))
    fi
done
[ $missing = 0 ] || { say "$missing could not be installed"; exit 1; }
