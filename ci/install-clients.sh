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

hivemq() { java_client hivemq; }
paho_java() { java_client paho-java; }

[ $# -gt 0 ] || { echo "usage: $0 NAME...   (paho-python, hivemq, paho-java)" >&2; exit 2; }
for name in "$@"; do
  case $name in
    paho-python) paho_python ;;
    hivemq) hivemq ;;
    paho-java) paho_java ;;
    *) echo "$0: no client \`$name\`" >&2; exit 2 ;;
  esac
done
