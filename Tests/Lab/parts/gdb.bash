# For scripts in Tests/Lab/outside: a gdb on this side, on a guest of the inner machine.

# drive GUEST SCRIPT: fails where the script, or gdb, does.
drive() {
    until sed -n "/^lab: begin $SCRIPT/,\$p" "$CONSOLE" | grep -aq 'gdb server on'; do sleep 0.2; done
    "$LABS/trixie" run gdb-multiarch --batch --nx -ex 'set pagination off' -ex 'set tcp connect-timeout 20' \
        -ex "file $PRODUCTS/guests/$1.elf" -ex "target remote 127.0.0.1:$PORT" \
        -ex 'source /mnt/Tests/Lab/outside/expect.gdb' -ex "source /mnt/Tests/Lab/outside/$2.gdb"
}

# said GUEST SCRIPT WORDS...: the same, and gdb must have shown each of the words.
said() {
    local output guest=$1 script=$2
    shift 2
    output=$(drive "$guest" "$script" 2>&1) || { echo "$output" && return 1; }
    echo "$output"
    local words
    for words; do grep -qF -e "$words" <<<"$output" || { echo "not said: $words" && return 1; }; done
}
