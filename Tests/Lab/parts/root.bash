# What a lab needs of Debian: the tools in one root, and beside them what is the inner machine's.

trixie() { "$labs/trixie" "$@"; }

# What the inner machine and its programs come from, as seen in the root.
shelf=/srv/lab

tools() {
    local packages=(cpio kmod xz-utils swiftlang lld git libc6-dev libstdc++-14-dev gdb gdb-multiarch lldb-19
        "${emulator[@]}")
    if [[ $architecture == arm64 ]]; then
        packages+=(libc6-dev:arm64 libstdc++-14-dev:arm64 libgcc-14-dev:arm64)
    else
        # The root is the inner machine's too.
        packages+=(busybox-static zstd)
    fi
    trixie install "${packages[@]}"
}

# The kernel that the lab is about, its modules, and the shell that loads them.
kernel() {
    trixie unpack "$shelf/$architecture" "linux-image-$architecture:$architecture"
    trixie unpack "$shelf/$architecture" "busybox-static:$architecture"
    merge "$root$shelf/$architecture"
}

# As Debian's base-files has it.
merge() {
    local folder
    for folder in bin sbin lib; do
        mkdir -p "$1/usr/$folder"
        [[ -L $1/$folder ]] || ln -s "usr/$folder" "$1/$folder"
    done
}

# Where programs of the inner machine find their libraries: for x86-64 the root itself has everything.
world() {
    [[ $architecture == arm64 ]] || return 0
    local package packages=(libc6 libgcc-s1 libstdc++6 libswiftlang)
    # What Foundation wants, which tests have.
    [[ ! $isTested ]] || packages+=(libxml2 zlib1g liblzma5)
    for package in "${packages[@]}"; do
        trixie unpack "$shelf/arm64" "$package:arm64"
    done
    trixie unpack "$shelf/arm64" swiftlang:arm64 /usr/libexec/swift/lib/{swift,swift_static,clang}
}
