# Progress, failure and clean-up, the same in every lab.

say() { echo "lab $name: $*" >&2; }

# stage WHAT COMMAND...: runs a command, or a function, and says how it went in one line; what it said is shown when it
# fails. The first that fails ends the lab, unless it `goesOn`. Exit status 69 of a command: it cannot be had here, for the
# reason it said; 75: the emulator or its kernel has ended by itself, which is kept in `gone`.
goesOn= gone= failures=0
stage() {
    local what=$1 began=$SECONDS status=0 log=$work/${1//[^a-z0-9]/-}.log
    shift
    # In a process group of its own, all of which ends when the lab does.
    set -m
    (set -euo pipefail && "$@") >"$log" 2>&1 </dev/null &
    working=$!
    set +m
    wait "$working" || status=$?
    working= gone=
    case $status in
    0)
        report "$what" ok "$began"
        [[ ! ${shows:-} ]] || sed 's/^/    /' "$log"
        ;;
    69)
        report "$what" skipped "$began"
        fail 69 "$(tail -n 1 "$log")"
        ;;
    75)
        report "$what" gone "$began"
        tail -n 100 "$log" | sed 's/^/    /' >&2
        gone=yes
        ;;
    *)
        report "$what" FAILED "$began"
        tail -n 100 "$log" | sed 's/^/    /' >&2
        [[ $goesOn ]] || fail 1 "failed at \"$what\""
        failures=$((failures + 1))
        ;;
    esac
}

# report WHAT HOW BEGAN: one line of progress.
report() { printf 'lab %-12s %-32s %-8s %4d s\n' "$name" "$1" "$2" $((SECONDS - $3)); }

fail() {
    say "$2"
    exit "$1"
}

# Whatever way the lab ends, none of its processes stays, and no file but what is worth keeping.
cleanUp() {
    trap '' INT TERM
    local process
    for process in "${working:-}" "${emulated:-}"; do
        # Bash would say of each that it was killed.
        [[ ! $process ]] || { disown "$process" && kill -KILL -- "-$process"; } 2>/dev/null || true
    done
    [[ ! ${work:-} ]] || rm -rf "$work"
}
