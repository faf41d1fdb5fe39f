# The tests in the inner machine, in parts, so that one that fails, or takes the emulated machine with it, leaves the
# others their results: a script `suite:NAME` each.

what=(--product stubvisor)
# Whether the tests are built, too.
isTested=

# One a line: the targets of tests; in an x86 machine the files of those that want a KVM, since the others were run
# already where the lab is made.
suiteParts() {
    if [[ $architecture == arm64 ]]; then
        (cd "$checkout/Tests" && ls -d ./*Tests)
    else
        (cd "$checkout/Tests" && ls {MachineTests,LiveTests}/*Tests.swift)
    fi | sed 's,.*/,,; s,\.swift$,,'
}

# Puts them in place of `suite` in `scripts`, if $FILTER does not say which tests it is to be; then the tests are built,
# too, which takes much longer, in a place of their own.
expandSuite() {
    local script expanded=()
    for script in "${scripts[@]}"; do
        if [[ $script == suite && ! ${FILTER:-} ]]; then
            expanded+=($(suiteParts | sed 's/^/suite:/'))
        else
            expanded+=("$script")
        fi
    done
    scripts=("${expanded[@]}")
    if [[ " ${scripts[*]}" == *" suite"* ]]; then
        what=(--build-tests -Xswiftc -enable-testing)
        products+=-tests
        isTested=yes
    fi
}
