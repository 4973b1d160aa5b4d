#!/usr/bin/env bash
# packaging/walk.sh [CSV] - the walk of ./try against running servers: register, look up, refuse, produce, consume, count.
# Needs REGISTRY and PROXY (base URLs) and TMP (a folder); SUFFIX goes behind topic and group names.  Status 0 only if every step held.
set -euo pipefail
v1=application/vnd.schemaregistry.v1+json
avro=application/vnd.kafka.avro.v2+json
v2=application/vnd.kafka.v2+json
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
call() { # call METHOD URL [curl arguments]: the body to stdout; fails on status >= 400 with the body on stderr
  local out status
  out=$TMP/answer.$$
  status=$(curl -sS -o "$out" -w '%{http_code}' -X "$1" "$2" "${@:3}")
  if [ "$status" -ge 400 ]; then cat "$out" >&2; echo >&2; fail "$1 $2 answered $status"; fi
  cat "$out"
}
register() { # register SUBJECT FILE-WITH-SCHEMA: the id
  jq -c '{schema: tojson}' "$2" | call POST "$REGISTRY/subjects/$1/versions" -H "Content-Type: $v1" --data-binary @- | jq .id
}

# ---- what is particular to each data set: topic, schemas, $TMP/records (one {"key","value"} a line), report of a file of values -------------------

csv=${1:-}
if [ -z "$csv" ]; then
  source_file=/usr/share/iso-codes/json/iso_3166-2.json
  topic=subdivisions${SUFFIX:-}
  cat >"$TMP/value.avsc" <<'END'
{"type": "record", "name": "Subdivision", "namespace": "world", "fields": [
  {"name": "code", "type": "string"},
  {"name": "name", "type": "string"},
  {"name": "type", "type": "string"},
  {"name": "parent", "type": ["null", "string"], "default": null}]}
END
  jq -c '.["3166-2"][] | {key: (.code | split("-")[0]), value: {code, name, type, parent: (if .parent then {string: .parent} else null end)}}' \
    "$source_file" >"$TMP/records"
  report() { # values in, one a line: total, with a parent, ten countries with most subdivisions
    jq -rn '[inputs] | "total \(length), with a parent \(map(select(.parent != null)) | length)",
      (group_by(.code | split("-")[0]) | map({country: (.[0].code | split("-")[0]), n: length}) | sort_by([-.n, .country]) | .[:10][]
       | "\(.country) \(.n)")'
  }
  said_by_file() { jq -c '.["3166-2"][]' "$source_file" | report; }
  title="ten countries with most subdivisions" expected="subdivisions of countries"
else
  source_file=$csv
  topic=effectifs${SUFFIX:-}
  cat >"$TMP/value.avsc" <<'END'
{"type": "record", "name": "Effectif", "namespace": "enseignement", "fields": [
  {"name": "rentree", "type": "int"},
  {"name": "niveau", "type": "string"},
  {"name": "unite", "type": "string"},
  {"name": "groupe", "type": "string"},
  {"name": "libelle", "type": "string"},
  {"name": "secteur", "type": "string"},
  {"name": "sexe", "type": "string"},
  {"name": "effectif", "type": ["null", "double"], "default": null}]}
END
  jq -cR 'rtrimstr("\r") | split(";") | select(length > 10 and (.[0] | test("^[0-9]+$"))) | {key: .[0], value: {rentree: (.[0] | tonumber),
    niveau: .[2], unite: .[3], groupe: .[4], libelle: .[5], secteur: .[7], sexe: .[9],
    effectif: (if .[10] == "" then null else {double: (.[10] | tonumber)} end)}}' "$csv" >"$TMP/records"
  report() { # students per group where the level is Commune and the group is not TOTAL, and their sum
    jq -rn '[inputs | select(.niveau == "Commune" and .groupe != "TOTAL") | {groupe, n: (.effectif // 0 | if type == "object" then .double else . end)}]
      | "sum \(map(.n) | add // 0)", (group_by(.groupe)[] | "\(.[0].groupe) \(map(.n) | add)")'
  }
  said_by_file() { # by awk, from the file itself
    awk -F';' '$3 == "Commune" && $5 != "TOTAL" && NR > 1 { n[$5] += $11; sum += $11 }
      END { print "sum " sum + 0; for (g in n) print g " " n[g] | "LC_ALL=C sort" }' "$csv"
  }
  title="students per group in the Communes" expected="lines of at least 11 columns with semicolons between, a year in the first"
fi
echo '"string"' >"$TMP/key.avsc"
total=$(wc -l <"$TMP/records")
[ "$total" -gt 0 ] || fail "$source_file has no records: expected $expected"

# ---- the walk ------------------------------------------------------------------------------------------------------------------------------------

say "1. Register the Avro schemas of topic $topic"
key_id=$(register "$topic-key" "$TMP/key.avsc")
value_id=$(register "$topic-value" "$TMP/value.avsc")
echo "key schema id $key_id, value schema id $value_id"

say "2. Ask for a schema by its id"
call GET "$REGISTRY/schemas/ids/$value_id" | jq -r .schema | tee "$TMP/by-id"
[ "$(jq -S . "$TMP/by-id")" = "$(jq -S . "$TMP/value.avsc")" ] || fail "the schema by id is not the one registered"

say "3. An incompatible change is refused, with the reason"
jq -c '.fields += [{"name": "added", "type": "long"}] | {schema: tojson}' "$TMP/value.avsc" >"$TMP/bad"
status=$(curl -sS -o "$TMP/refused" -w '%{http_code}' -H "Content-Type: $v1" --data-binary @"$TMP/bad" "$REGISTRY/subjects/$topic-value/versions")
jq -r '"\(.error_code): \(.message)"' "$TMP/refused" | cut -c1-300
[ "$status" = 409 ] || fail "expected status 409, got $status"
grep -q READER_FIELD_MISSING_DEFAULT_VALUE "$TMP/refused" || fail "the reason does not name the missing default"

say "4. Produce $total records as Avro"
sent=0
while mapfile -t -n 500 lines && [ ${#lines[@]} -gt 0 ]; do
  printf '%s\n' "${lines[@]}" | jq -cs --argjson k "$key_id" --argjson v "$value_id" '{key_schema_id: $k, value_schema_id: $v, records: .}' |
    call POST "$PROXY/topics/$topic" -H "Content-Type: $avro" -H "Accept: $v2" --data-binary @- >"$TMP/produced"
  good=$(jq '[.offsets[] | select(.error_code == null and .offset != null)] | length' "$TMP/produced")
  [ "$good" = ${#lines[@]} ] || fail "only $good of ${#lines[@]} records were acknowledged: $(head -c 300 "$TMP/produced")"
  sent=$((sent + good))
done <"$TMP/records"
echo "$sent records acknowledged"

say "5. Read them back through a consumer instance"
group=walk$$
base=$(call POST "$PROXY/consumers/$group" -H "Content-Type: $v2" -d '{"name": "reader", "format": "avro", "auto.offset.reset": "earliest", "fetch.min.bytes": "1"}' | jq -r .base_uri)
call POST "$base/subscription" -H "Content-Type: $v2" -d "{\"topics\": [\"$topic\"]}"
: >"$TMP/read"
deadline=$((SECONDS + 60))
while [ "$(wc -l <"$TMP/read")" -lt "$total" ] && [ $SECONDS -lt $deadline ]; do
  call GET "$base/records?timeout=1000" -H "Accept: $avro" | jq -c '.[]' >>"$TMP/read"
done
call DELETE "$base" -H "Content-Type: $v2"
echo "$(wc -l <"$TMP/read") records read"
[ "$(wc -l <"$TMP/read")" = "$total" ] || fail "expected $total"

say "6. What was read ($title), beside what the file says"
jq -c .value "$TMP/read" | report >"$TMP/report"
said_by_file >"$TMP/said"
paste "$TMP/report" "$TMP/said" | awk -F'\t' '{ printf "%-40s %-40s\n", $1, $2 }'
cmp -s "$TMP/report" "$TMP/said" || fail "the figures differ"
say "Every step held."
