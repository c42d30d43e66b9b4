#!/usr/bin/env bash
# Functions that several scripts here need. To be sourced from a script that runs in the root of the repository.

# Prints the comment at the head of the running script, and exits 2.
usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
  exit 2
}

# Starts a mosquitto that accepts every client, on a local port, with its files in a folder. Sets `broker` to its process id.
bare_mosquitto() {
  local port=$1 folder=$2
  printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" >"$folder/mosquitto.conf"
  PATH="$PATH:/usr/sbin" mosquitto -c "$folder/mosquitto.conf" >"$folder/mosquitto.log" 2>&1 &
  # shellcheck disable=SC2034 # for the caller
  broker=$!
}
