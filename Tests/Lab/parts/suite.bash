# The tests in the inner machine: a script for each file of them, `suite:NAME`, so that one that fails, or takes the
# emulated machine with it, leaves the others their results.

what=(--product stubvisor)

# Puts the files in place of `suite` in `scripts`, or those tests that $FILTER matches; then the tests are built, too,
# which takes much longer, in a place of their own.
expandSuite() {
    local script file expanded=() folders=(MachineTests LiveTests)
    for script in "${scripts[@]}"; do
        if [[ $script == suite && ! ${FILTER:-} ]]; then
            for file in "${folders[@]/#/$checkout/Tests/}"; do
                for file in "$file"/*Tests.swift; do expanded+=("suite:$(basename "$file" .swift)"); done
            done
        else
            expanded+=("$script")
        fi
    done
    scripts=("${expanded[@]}")
    if [[ " ${scripts[*]}" == *" suite"* ]]; then
        what=(--build-tests -Xswiftc -enable-testing)
        products+=-tests
        goesOn=yes
    fi
}
