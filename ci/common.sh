#!/usr/bin/env bash
# What several scripts here need. To be sourced from one whose folder is the repository.

# Prints the comment at the head of the script that is running, and ends with 2.
usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
  exit 2
}

# Starts a mosquitto that lets everybody in, at a port of this machine, with its files in a folder. Leaves its id in `broker`.
bare_mosquitto() {
  local port=$1 folder=$2
  printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" >"$folder/mosquitto.conf"
  PATH="$PATH:/usr/sbin" mosquitto -c "$folder/mosquitto.conf" >"$folder/mosquitto.log" 2>&1 &
  # shellcheck disable=SC2034 # for the caller
  broker=$!
}
