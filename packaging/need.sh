# packaging/need.sh - sourced by try and check: `need NAME...` installs the Debian packages that are missing, and says so.
need() {
  local p missing=()
  for p in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}"
  local as=() log
  [ "$(id -u)" = 0 ] || as=(sudo)
  if ! command -v apt-get >/dev/null; then
    echo "This machine has no apt-get. Install what corresponds to these Debian packages, then run again: ${missing[*]}" >&2
    return 1
  fi
  [ "${as[*]}" = "" ] || command -v sudo >/dev/null || { echo "Run as root, or install first: apt-get install ${missing[*]}" >&2; return 1; }
  log=$(mktemp)
  { "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || {
    tail -20 "$log" >&2
    rm -f "$log"
    echo "apt-get could not install: ${missing[*]}" >&2
    return 1
  }
  rm -f "$log"
}
BUILD_PACKAGES=(gcc libc6-dev make pkg-config libmicrohttpd-dev librdkafka-dev libsqlite3-dev libcurl4-openssl-dev libssl-dev libpcre2-dev)
WALK_PACKAGES=(curl jq iso-codes)
TEST_PACKAGES=(clang libclang-rt-14-dev libcmocka-dev libavro-dev libjansson-dev libasan8 libubsan1 libtsan2 kcat python3 python3-venv)
BENCH_PACKAGES=(nginx-light wrk)
KAFKA_PACKAGES=(openjdk-17-jre-headless maven)
