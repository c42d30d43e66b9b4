#!/usr/bin/env bash
# Installs client libraries under test into target/clients, each in the version that is pinned here or in the lock file of its
# adapter (clients/NAME). Python needs venv, Go its toolchain, JavaScript
# Node.js with npm, Java a JDK with Maven, Rust cargo, and C Debian with root for its packages.
#
# Usage: ci/install-clients.sh NAME...
set -euo pipefail
cd "$(dirname "$0")/.."

# aiomqtt is a wrapper of paho-mqtt, which is pinned with it.
AIOMQTT=2.5.1
GMQTT=0.8.0
PAHO_PYTHON=2.1.0
MAVEN_DEPENDENCY_PLUGIN=3.6.1

# Each function install_NAME has the name of its client, with `_` for `-`.

install_paho_python() {
  python_packages paho-python "paho-mqtt==$PAHO_PYTHON"
  target/clients/paho-python/bin/python -c 'import paho.mqtt; print("paho-mqtt", paho.mqtt.__version__)'
}

install_aiomqtt() {
  python_packages aiomqtt "aiomqtt==$AIOMQTT" "paho-mqtt==$PAHO_PYTHON"
  target/clients/aiomqtt/bin/python -c 'from importlib.metadata import version; print("aiomqtt", version("aiomqtt"))'
}

install_gmqtt() {
  python_packages gmqtt "gmqtt==$GMQTT"
  target/clients/gmqtt/bin/python -c 'from importlib.metadata import version; print("gmqtt", version("gmqtt"))'
}

# The package and its dependencies are in clients/mqttjs/package-lock.json.
install_mqttjs() {
  local folder=target/clients/mqttjs
  mkdir -p "$folder"
  cp clients/mqttjs/package.json clients/mqttjs/package-lock.json "$folder"
  npm ci --silent --no-audit --no-fund --prefix "$folder"
  node -p '"MQTT.js " + require("./target/clients/mqttjs/node_modules/mqtt/package.json").version'
}

install_paho_mqtt_golang() { go_program paho-mqtt-golang; }
install_paho_golang() { go_program paho-golang; }
install_hivemq() { java_client hivemq; }
install_paho_java() { java_client paho-java; }
install_libmosquitto() { c_client libmosquitto libmosquitto-dev 2.0.11 mosquitto; }
install_paho_c() { c_client paho-c libpaho-mqtt-dev 1.3.12 paho-mqtt3a; }

# The version is in clients/rumqttc/Cargo.toml, and those of its dependencies in Cargo.lock.
install_rumqttc() {
  cargo build --quiet --locked --manifest-path clients/rumqttc/Cargo.toml --target-dir target/clients/rumqttc
  grep -A1 '^name = "rumqttc"$' clients/rumqttc/Cargo.lock | tr '\n' ' ' && echo
}

# A Python environment of its own for the packages.
python_packages() {
  local folder=target/clients/$1
  shift
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# An adapter in Go. Its library and the dependencies are in clients/NAME/go.mod and go.sum.
go_program() {
  mkdir -p "target/clients/$1"
  go build -C "clients/$1" -mod=readonly -trimpath -o "$PWD/target/clients/$1/adapter" .
  go version -m "target/clients/$1/adapter" | awk '$1 == "dep" && $2 ~ "eclipse/paho" { print $2, $3 }'
}

# A library for Java, and its adapter: needs a JDK of 17 or later, and Maven. The versions are in clients/NAME/pom.xml.
java_client() {
  local name=$1 folder=$PWD/target/clients/$1
  rm -rf "${folder:?}/lib" "$folder/classes"
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

known=$(compgen -A function install_ | sed 's/^install_//; s/_/-/g' | paste -sd ' ')
[ $# -gt 0 ] || { echo "usage: $0 NAME...   ($known)" >&2; exit 2; }
for name in "$@"; do
  function=install_${name//-/_}
  declare -F "$function" >/dev/null || { echo "$0: no client \`$name\`; there are: $known" >&2; exit 2; }
  "$function"
done
