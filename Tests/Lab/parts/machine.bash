# The inner machine: a kernel of Debian's in an emulated computer whose processor has what KVM needs.

# Where the first files are of what is emulated so, as seen in the root.
first=$shelf/first/$architecture-$by

# inRoot FUNCTION ARGUMENT...: a function of the parts, run in the root; its temporary files end with the lab.
inRoot() { trixie run env TMPDIR="$inner" bash -euc "set -o pipefail; $(declare -f); $(printf '%q ' "$@")"; }

# kept WHAT KEY FUNCTION ARGUMENT...: the same, unless it made `WHAT` of $first with the same key.
kept() {
    local what=$1 key
    key=$(cksum <<<"$2")
    shift 2
    [[ $(cat "$root$first/$what.key" 2>/dev/null) != "$key" ]] || return 0
    mkdir -p "$root$first"
    inRoot "$@"
    echo "$key" >"$root$first/$what.key"
}

# The kernel and the first files of the inner machine: a shell, modules in their order, Tests/Lab/inside/init. Made once.
initrd() {
    kept initrd "$(declare -f pack extract; cat "$labs/inside/init"; echo "${modules[*]}"; ls "$root$shelf/$architecture/.unpacked")" \
        pack "$shelf/$architecture" "$first" "${modules[@]}"
}

# extract IMAGE FILE: in the root, the ELF file that a bzImage has in it, compressed by zstd and followed by its size
# (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length).
extract() {
    local sectors offset length
    read -r sectors < <(od -An -t u1 -j 0x1f1 -N 1 "$1")
    read -r offset length < <(od -An -t u4 -j 0x248 -N 8 "$1")
    length=$((length - 4))
    head -c $(((sectors + 1) * 512 + offset + length)) "$1" | tail -c "$length" | zstd -dcq >"$2"
}

# pack PLACE FIRST MODULE...: in the root. A module's options follow its name.
pack() {
    local place=$1 first=$2 tree module version path
    shift 2
    version=$(ls "$place/usr/lib/modules" | tail -n 1)
    tree=$(mktemp -d)
    mkdir -p "$tree/bin" "$tree/modules"
    [[ -e $place/usr/lib/modules/$version/modules.dep ]] || depmod -b "$place" "$version"
    for module; do
        modprobe -d "$place" -S "$version" --show-depends "${module%% *}" | sed "\$s/\$/ ${module#"${module%% *}"}/"
    done | awk '$1 == "insmod" && !seen[$2]++' | while read -r _ path options; do
        module=$(basename "$path" .xz)
        xz -dc "$path" >"$tree/modules/$module"
        echo "$module $options" >>"$tree/modules/order"
    done
    cp "$place/usr/bin/busybox" "$tree/bin/busybox"
    cp /mnt/Tests/Lab/inside/init "$tree/init"
    (cd "$tree" && find . | cpio --quiet -o -H newc) >"$first/initrd.cpio"
    ln -sf "$place/boot/vmlinuz-$version" "$first/vmlinuz"
    # Guests of the inner machine find it at the root of theirs.
    ln -sf "boot/vmlinuz-$version" "$place/vmlinuz"
    [[ $version != *amd64 ]] || extract "$place/boot/vmlinuz-$version" "$place/vmlinux"
    rm -rf "$tree"
}

# Seconds that any part of a lab may take.
patience=${STUBVISOR_LAB_PATIENCE:-600}

# A port of this system that nobody listens at.
freePort() {
    local port=$((20000 + $$ % 20000))
    while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# Starts the inner machine on the scripts "$@", and waits until it is there.
boot() {
    local scripts=$*
    mkdir -p "$root$products"
    : >"$work/console"
    port=$(freePort)
    echo "lab=$name scripts='$scripts' FILTER='${FILTER:-}'" >"$work/settings"
    set -m
    start >"$work/emulator.log" 2>&1 </dev/null &
    emulated=$!
    set +m
    shows=
    stage "boot" heard "lab: "
    [[ ! $gone ]] || fail 1 "the emulated machine did not come up"
    heard "lab: /dev/kvm" >/dev/null || fail 1 "the inner machine has no /dev/kvm"
}

# Waits until the inner machine has said a line that begins so, and prints it. Status 75: the machine is gone.
heard() {
    local line limit=$((SECONDS + patience))
    while ! line=$(grep -am 1 "^$1" "$work/console"); do
        kill -0 "$emulated" 2>/dev/null || { cat "$work/emulator.log"; tail -n 50 "$work/console"; return 75; }
        ((SECONDS < limit)) || { tail -n 50 "$work/console"; echo "nothing of the kind in $patience s"; return 1; }
        sleep 0.2
    done
    tr -d '\r' <<<"$line"
}

# The part of a script that runs here, and what the one inside said from its beginning to its end.
follow() {
    heard "lab: begin $1" >/dev/null
    local outside=0 end
    if [[ -x $labs/outside/$1 ]]; then
        LAB=$name PORT=$port CONSOLE=$work/console SCRIPT=$1 LABS=$labs PRODUCTS=$products ARCHITECTURE=$architecture \
            timeout --foreground "$patience" "$labs/outside/$1" || outside=$?
    fi
    if [[ $outside != 0 ]]; then
        # The guest may run for ever with nobody to end it.
        tr -d '\r' <"$work/console" | sed -n "/^lab: begin $1\$/,\$p"
        echo "outside: exit status $outside"
        kill -0 "$emulated" 2>/dev/null || return 75
        return 1
    fi
    local status=0
    end=$(heard "lab: end $1") || status=$?
    # What it says of a machine that is gone must not get lost.
    [[ $status == 0 ]] || { echo "$end" && return $status; }
    tr -d '\r' <"$work/console" | sed -n "/^lab: begin $1\$/,/^lab: end $1 /p"
    [[ $end == "lab: end $1 0" ]]
}
