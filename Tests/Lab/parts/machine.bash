# The inner machine: a kernel of Debian's in an emulated computer whose processor has what KVM needs.

# Modules that the inner kernel lacks by itself: files and the network by virtio, files over files; and KVM.
modules=(virtio_pci 9p 9pnet_virtio overlay virtio_net "${extraModules[@]}")

# The kernel and the first files of the inner machine: a shell, modules in their order, Tests/Lab/inside/init. Made once.
initrd() {
    local place=$root$shelf/$architecture key
    key=$(cat "$labs/inside/init" "$labs/parts/machine.bash" <(echo "${modules[*]}") "$place"/.unpacked/* | cksum)
    if [[ $(cat "$place/initrd.key" 2>/dev/null) != "$key" ]]; then
        trixie run bash -euc "$(declare -f pack); pack $shelf/$architecture ${modules[*]}"
        echo "$key" >"$place/initrd.key"
    fi
}

# pack PLACE MODULE...: in the root.
pack() {
    local place=$1 tree module version path
    shift
    version=$(ls "$place/usr/lib/modules" | tail -n 1)
    tree=$(mktemp -d)
    mkdir -p "$tree/bin" "$tree/modules"
    [[ -e $place/usr/lib/modules/$version/modules.dep ]] || depmod -b "$place" "$version"
    for module; do modprobe -d "$place" -S "$version" --show-depends "$module"; done |
        awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
            module=$(basename "$path" .xz)
            xz -dc "$path" >"$tree/modules/$module"
            echo "$module" >>"$tree/modules/order"
        done
    cp "$place/usr/bin/busybox" "$tree/bin/busybox"
    cp /mnt/Tests/Lab/inside/init "$tree/init"
    (cd "$tree" && find . | cpio --quiet -o -H newc) >"$place/initrd.cpio"
    ln -sf "boot/vmlinuz-$version" "$place/vmlinuz"
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

# Starts the inner machine on the scripts "$@", one after another; what it says is in $work/console. Its port 1234 is
# $port here.
start() {
    local scripts=$* world=/
    [[ $architecture != arm64 ]] || world=$shelf/arm64
    mkdir -p "$root$products"
    : >"$work/console"
    port=$(freePort)
    echo "lab=$name scripts='$scripts' FILTER='${FILTER:-}'" >"$work/settings"
    share() { echo -virtfs "local,path=$1,mount_tag=$2,security_model=none,readonly=on,multidevs=remap"; }
    set -m
    # shellcheck disable=SC2046
    trixie run "$program" "${computer[@]}" -m "$memory" -smp "$cpus" -display none -monitor none -no-reboot \
        -serial stdio -kernel "$shelf/$architecture/vmlinuz" -initrd "$shelf/$architecture/initrd.cpio" \
        -append "console=$console quiet panic=-1 $kernelArguments" \
        -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-:1234" -device virtio-net-pci,netdev=net,romfile= \
        $(share "$world" world) $(share /mnt checkout) $(share "$products" products) $(share "$inner" run) \
        >"$work/console" 2>"$work/emulator.log" </dev/null &
    qemu=$!
    set +m
}

# The same, and waits until it is there.
boot() {
    start "$@"
    shows=
    stage "boot" heard "lab: "
    [[ ! $gone ]] || fail 1 "the emulated machine did not come up"
    heard "lab: /dev/kvm" >/dev/null || fail 1 "the inner machine has no /dev/kvm"
}

# Waits until the inner machine has said a line that begins so, and prints it. Status 75: the machine is gone.
heard() {
    local line limit=$((SECONDS + patience))
    while ! line=$(grep -am 1 "^$1" "$work/console"); do
        kill -0 "$qemu" 2>/dev/null || { cat "$work/emulator.log"; tail -n 50 "$work/console"; return 75; }
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
        kill -0 "$qemu" 2>/dev/null || return 75
        return 1
    fi
    local status=0
    end=$(heard "lab: end $1") || status=$?
    # What it says of a machine that is gone must not get lost.
    [[ $status == 0 ]] || { echo "$end" && return $status; }
    tr -d '\r' <"$work/console" | sed -n "/^lab: begin $1\$/,/^lab: end $1 /p"
    [[ $end == "lab: end $1 0" ]]
}
