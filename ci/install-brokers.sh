#!/bin/sh
# Installs the brokers that ci/brokers/ has profiles for.
#
#   ci/install-brokers.sh [--dir FOLDER] [NAME...]
#
# NAME is one of those that `--list` prints; without a NAME, all of them. A broker that is no system package goes
# into FOLDER (target/brokers by default, where the profiles look for it). Installed ones are left alone. Needs
# Debian 12, and root for the system packages; npm for aedes; cargo for mqttv5, rumqttd and rmqttd, which take minutes
# to build. Reports at the end what could not be installed, and then exits 1.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=$root/target/brokers
all="mosquitto mosquitto-bpo nats ejabberd rabbitmq aedes debian13 mqttv5 rumqttd"
# Only if it is named: it takes a quarter of an hour to build.
named_only="rmqttd"
sources=/etc/apt/sources.list.d/debian.sources

say() { printf '%s\n' "$*"; }
# Why a broker cannot be installed; the functions below end with it.
why=''
fail() { why=$*; return 1; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive

# Installs system packages, after updating the lists. Debian starts a service when it installs one, and a running
# broker would take a port and answer instead of the one under test, so this is forbidden during the installation.
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

# A newer mosquitto from bookworm-backports, unpacked next to the installed one, whose libraries it uses as far as they suffice.
# apt uses lists of its own for this, so that nothing changes for the system.
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
    # Moved last, so that an existing folder is complete.
    mv "$place/root.part" "$place/root"
}

# The folders of a root's libraries; Debian names them after the processor.
libraries_of() {
    set -- "$1"/usr/lib/*-linux-gnu*
    printf '%s' "$1"
}

# Whether the mosquitto in this root starts and reports its version.
runs_mosquitto() {
    [ -x "$1/usr/sbin/mosquitto" ] || return
    LD_LIBRARY_PATH=$(libraries_of "$1") "$1/usr/sbin/mosquitto" -h 2>/dev/null | grep -q '^mosquitto version'
}

missing_libraries() {
    LD_LIBRARY_PATH=$(libraries_of "$1") ldd "$1/usr/sbin/mosquitto" 2>&1 | awk '/not found/ { printf "%s ", $1 }'
}

install_nats() {
    command -v nats-server >/dev/null && return
    packages nats-server
}

install_ejabberd() {
    # The profile starts Erlang itself, so that nothing changes the user or leaves the process group.
    [ -e /usr/sbin/ejabberdctl ] && command -v erl >/dev/null && return
    packages ejabberd
}

install_rabbitmq() {
    [ -e /usr/lib/rabbitmq/bin/rabbitmq-server ] && return
    packages rabbitmq-server
}

# A broker for Node: the packages, and next to them a folder in which ci/brokers/aedes-level.yaml runs its own file.
install_aedes() {
    command -v npm >/dev/null || { fail "needs Node.js with npm"; return 1; }
    place=$folder/aedes
    [ -e "$place/whole" ] && return
    rm -rf "$place"
    mkdir -p "$place" || { fail "cannot write $place"; return 1; }
    (
        cd "$place" &&
            printf '{ "name": "brokers", "version": "1.0.0", "private": true }\n' >package.json &&
            npm install --no-audit --no-fund --save-exact aedes@1.2.0 aedes-persistence-level@9.2.0 level@10.0.0
    ) >"$folder/aedes.log" 2>&1 || { fail "npm could not install it (see $folder/aedes.log)"; return 1; }
    : >"$place/whole"
}

# Debian 13 in a folder of its own, with its newer NATS, RabbitMQ and ejabberd. Nothing stays mounted: a script that runs
# something in it (ci/brokers/debian13.sh) mounts what it needs in a mount namespace that ends with the process.
install_debian13() {
    place=$folder/debian13
    [ -e "$place/whole" ] && return
    [ "$(id -u)" = 0 ] || { fail "needs root"; return 1; }
    unshare -m true 2>/dev/null || { fail "needs the right to make a mount namespace"; return 1; }
    [ -r "$sources" ] || { fail "no $sources, so this is not Debian 12"; return 1; }
    command -v debootstrap >/dev/null || packages debootstrap || return 1
    rm -rf "$place"
    mirror=$(awk '/^URIs:/ { print $2; exit }' "$sources")
    (
        debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$place" "$mirror" &&
            printf '#!/bin/sh\nexit 101\n' >"$place/usr/sbin/policy-rc.d" && chmod +x "$place/usr/sbin/policy-rc.d" &&
            ERL_EPMD_ADDRESS=127.0.0.1 "$root/ci/brokers/debian13.sh" "$place" "$folder" \
                apt-get install -y --no-install-recommends nats-server rabbitmq-server ejabberd &&
            rm -rf "$place"/var/cache/apt/archives/*.deb "$place"/var/lib/apt/lists/*
    ) >"$folder/debian13.log" 2>&1 || { fail "could not be made (see $folder/debian13.log)"; return 1; }
    : >"$place/whole"
}

# A broker from Cargo's registry. Not with --locked: the lock files of mqttv5-cli and rumqttd name crates that are gone
# or that this compiler refuses.
crate() {
    command -v cargo >/dev/null || { fail "needs Rust with cargo"; return 1; }
    crate=$1 program=$2 version=$3
    shift 3
    [ -x "$folder/$crate/bin/$program" ] && return
    # A target folder of its own, and none of the flags that this project is built with.
    env -u RUSTFLAGS CARGO_TARGET_DIR="$folder/build" \
        cargo install --quiet --root "$folder/$crate" --version "$version" "$@" "$crate" >"$folder/$crate.log" 2>&1 ||
        { fail "cargo could not build it (see $folder/$crate.log)"; return 1; }
    rm -rf "$folder/build"
}

install_mqttv5() { crate mqttv5-cli mqttv5 0.29.10; }

install_rumqttd() { crate rumqttd rumqttd 0.20.0; }

install_rmqttd() {
    # Its plugins for gRPC and Kafka, which are part of every build, need these.
    [ -x "$folder/rmqttd/bin/rmqttd" ] || { command -v protoc && command -v cmake; } >/dev/null ||
        packages protobuf-compiler cmake g++ || return 1
    crate rmqttd rmqttd 0.24.0 --locked
}

names=''
while [ $# -gt 0 ]; do
    case $1 in
    --dir)
        [ $# -gt 1 ] || { say "--dir needs a folder" >&2; exit 2; }
        mkdir -p "$2" && folder=$(CDPATH='' cd -- "$2" && pwd) || exit 2
        shift
        ;;
    --list)
        # shellcheck disable=SC2086 # a name a line
        printf '%s\n' $all $named_only
        exit
        ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
    -*) say "unknown option $1; see --help" >&2; exit 2 ;;
    *)
        case " $all $named_only " in
        *" $1 "*) names="$names $1" ;;
        *) say "unknown broker $1; there are: $all $named_only" >&2; exit 2 ;;
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
