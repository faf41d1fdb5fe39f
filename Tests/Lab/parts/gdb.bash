# For scripts in Tests/Lab/outside: a gdb on this side, on the guests of the inner machine one after another.

# Waits until the script inside has made its COUNT-th gdb server.
serves() {
    until (($(sed -n "/^lab: begin $SCRIPT/,\$p" "$CONSOLE" | grep -ac 'gdb server on') >= $1)); do sleep 0.2; done
}

# gdb FILE ARGUMENT...: with the symbols of FILE, if it is not empty, attached to the server there is.
gdb() {
    local symbols=()
    [[ ! $1 ]] || symbols=(-ex "file $1")
    shift
    "$LABS/trixie" run gdb-multiarch --batch --nx -ex 'set pagination off' -ex 'set confirm off' \
        -ex 'set tcp connect-timeout 20' "${symbols[@]}" -ex "set \$port = $PORT" -ex "target remote 127.0.0.1:$PORT" \
        -ex 'source /mnt/Tests/Lab/outside/expect.gdb' "$@"
}

driven=0

# drive GUEST SCRIPT ARGUMENT...: the next guest; fails where the script, in the commands of gdb or in Python, does, or
# gdb. The arguments of gdb come before it.
drive() {
    local guest=$1 script=$2
    [[ $script == *.* ]] || script=$script.gdb
    shift 2
    serves $((driven += 1))
    gdb "$PRODUCTS/guests/$guest.elf" "$@" -ex "source /mnt/Tests/Lab/outside/$script"
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
