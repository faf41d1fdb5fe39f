# For scripts in Tests/Lab/outside: a gdb on this side, on the guests of the inner machine one after another.

driven=0

# drive GUEST SCRIPT: fails where the script, in the commands of gdb or in Python, does, or gdb.
drive() {
    driven=$((driven + 1))
    until (($(sed -n "/^lab: begin $SCRIPT/,\$p" "$CONSOLE" | grep -ac 'gdb server on') >= driven)); do sleep 0.2; done
    local script=$2
    [[ $script == *.* ]] || script=$script.gdb
    "$LABS/trixie" run gdb-multiarch --batch --nx -ex 'set pagination off' -ex 'set confirm off' \
        -ex 'set tcp connect-timeout 20' -ex "file $PRODUCTS/guests/$1.elf" -ex "target remote 127.0.0.1:$PORT" \
        -ex 'source /mnt/Tests/Lab/outside/expect.gdb' -ex "source /mnt/Tests/Lab/outside/$script"
}
