# To be sourced. Knows how to report the progress of a long command to a person; must not know what the command does.
#
#   progress WHAT TOTAL PATTERN COMMAND…
#
# runs COMMAND with its output in a file. A line on stderr each 15 seconds says for how long COMMAND has run and how many of
# TOTAL steps COMMAND has begun. A step is a line of the output that matches the extended regular expression PATTERN. An empty
# TOTAL is not printed. When COMMAND fails, the other lines of its output are printed.

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

progress() {
    local what=$1 total=$2 pattern=$3 began=$SECONDS log code=0 ticker
    shift 3
    log=$(mktemp)
    ticks "$what" "$total" "$pattern" "$log" "$began" &
    ticker=$!
    # COMMAND runs in the foreground, so that Ctrl-C reaches it.
    "$@" >"$log" 2>&1 </dev/null || code=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    if ((code != 0)); then
        grep -vE "$pattern" "$log" | tail -50 >&2
        printf '%s: FAILED after %s\n' "$what" "$(clock $((SECONDS - began)))" >&2
    elif ((SECONDS - began >= 5)); then
        printf '%s: done in %s\n' "$what" "$(clock $((SECONDS - began)))" >&2
    fi
    rm -f "$log"
    return "$code"
}

ticks() {
    local what=$1 total=${2:+ of $2} pattern=$3 log=$4 began=$5 next=15 count
    # The script that we belong to may be killed; this loop must not outlive it.
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        ((SECONDS - began >= next)) || continue
        next=$((SECONDS - began + 15))
        count=$(grep -cE "$pattern" "$log") || true # no match yet is a failure to grep
        printf '%s: %s, %s%s\n' "$what" "$(clock $((SECONDS - began)))" "$count" "$total" >&2
    done
}
