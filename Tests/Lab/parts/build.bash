# stubvisor for the inner machine, by the root's Swift.

# One for each checkout: the root sees every one at /mnt.
products=$shelf/build/$(cksum <<<"$checkout" | cut -d ' ' -f 1)/$architecture

# What `swift build --destination` is told to build for arm64 with an amd64 compiler. Tests take the libraries as they
# are in the inner machine, and macros that this one runs; the program has its own, as everywhere.
destination() {
    local swift=$shelf/arm64/usr/libexec/swift/lib flags
    if [[ $isTested ]]; then
        flags="\"-resource-dir\", \"$swift/swift\", \"-plugin-path\", \"/usr/libexec/swift/lib/swift/host/plugins\""
    else
        flags="\"-resource-dir\", \"$swift/swift_static\", \"-static-stdlib\""
    fi
    cat <<JSON
{
    "version": 1,
    "target": "aarch64-unknown-linux-gnu",
    "sdk": "/",
    "toolchain-bin-dir": "/usr/libexec/swift/bin",
    "extra-cc-flags": ["--gcc-install-dir=/usr/lib/gcc/aarch64-linux-gnu/14"],
    "extra-cpp-flags": [],
    "extra-swiftc-flags": [
        $flags, "-use-ld=lld", "-Xclang-linker", "-L/usr/lib/gcc/aarch64-linux-gnu/14"
    ]
}
JSON
}

# build ARGUMENT...: `swift build` for the inner machine.
build() {
    local flags=(--package-path /mnt --scratch-path "$products" --disable-sandbox -Xswiftc -warnings-as-errors)
    mkdir -p "$root$products"
    if [[ $architecture == arm64 ]]; then
        destination >"$root$products/destination.json"
        flags+=(--destination "$products/destination.json")
    fi
    trixie run env HOME=/tmp swift build "${flags[@]}" "$@"
}

# The guests of the inner machine's architecture.
guests() {
    local names=()
    [[ $architecture != arm64 ]] || names=(hello-arm64 armtraps armsmp gicdemo-arm64 gicv3demo-arm64)
    trixie run /mnt/guests/build -o "$products/guests" "${names[@]}"
}
