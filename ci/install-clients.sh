#!/usr/bin/env bash
# Installs client libraries under test into target/clients, each in the version that is pinned here.
#
# Usage: ci/install-clients.sh NAME...
set -euo pipefail
cd "$(dirname "$0")/.."

PAHO_PYTHON=2.1.0
MAVEN_DEPENDENCY_PLUGIN=3.6.1

paho_python() {
  local folder=target/clients/paho-python
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==$PAHO_PYTHON"
  "$folder/bin/python" -c 'import paho.mqtt; print("paho-mqtt", paho.mqtt.__version__)'
}

# A library for Java, and its adapter: needs a JDK of 17 or later, and Maven. The versions are in clients/NAME/pom.xml.
java_client() {
  local name=$1 folder=$PWD/target/clients/$1
  rm -rf "$folder/lib" "$folder/classes"
  mvn --quiet --batch-mode --file "clients/$name/pom.xml" -DincludeScope=runtime -DoutputDirectory="$folder/lib" \
    "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies"
  javac -cp "$folder/lib/*" -d "$folder/classes" "clients/$name"/*.java
  for jar in "$folder"/lib/*mqtt*.jar; do basename "$jar" .jar; done
}

# An adapter in C with the Debian packages of its library, in the version that the adapter was written for.
c_client() {
  local name=$1 package=$2 version=$3 library=$4 folder=$PWD/target/clients/$1 installed
  if ! dpkg -s "$package" libcjson-dev gcc libc6-dev >"/dev/null" 2>&1; then
    apt-get -o DPkg::Lock::Timeout=300 -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends \
      "$package" libcjson-dev gcc libc6-dev
  fi
  installed=$(dpkg-query -W -f '${Version}' "$package")
  case $installed in
    "$version"-*) ;;
    *) echo "$0: $package is $installed; the list of deviations is for $version" >&2; return 1 ;;
  esac
  mkdir -p "$folder"
  gcc -std=gnu11 -O1 -Wall -Wextra -Werror -o "$folder/adapter" "clients/$name/adapter.c" "-l$library" -lcjson
  echo "$package $installed"
}

libmosquitto() { c_client libmosquitto libmosquitto-dev 2.0.11 mosquitto; }
paho_c() { c_client paho-c libpaho-mqtt-dev 1.3.12 paho-mqtt3a; }
hivemq() { java_client hivemq; }
paho_java() { java_client paho-java; }

[ $# -gt 0 ] || { echo "usage: $0 NAME...   (paho-python, hivemq, paho-java, libmosquitto, paho-c)" >&2; exit 2; }
for name in "$@"; do
  case $name in
    paho-python) paho_python ;;
    hivemq) hivemq ;;
    paho-java) paho_java ;;
    libmosquitto) libmosquitto ;;
    paho-c) paho_c ;;
    *) echo "$0: no client \`$name\`" >&2; exit 2 ;;
  esac
done
