# The inner machine: a kernel of Debian's in an emulated computer whose processor has what KVM needs.

# Modules that the inner kernel lacks by itself: files and the network by virtio, files over files; and KVM.
modules=(virtio_pci 9p 9pnet_virtio overlay virtio_net "${extraModules[@]}")

# The first files of the inner machine: a shell, modules in their order, and Tests/Lab/inside/init.
initrd() {
    local place=$root$shelf/$architecture tree=$work/initrd version module path
    version=$(cd "$place/usr/lib/modules" && ls | tail -n 1)
    mkdir -p "$tree/bin" "$tree/modules"
    [[ -e $place/usr/lib/modules/$version/modules.dep ]] || trixie run depmod -b "$shelf/$architecture" "$version"
    for module in "${modules[@]}"; do
        trixie run modprobe -d "$shelf/$architecture" -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
    while read -r path; do
        module=$(basename "$path" .xz)
        trixie run xz -dc "$path" >"$tree/modules/$module"
        echo "$module" >>"$tree/modules/order"
    done <"$work/modules"
    if [[ $architecture == arm64 ]]; then place=$root$shelf/arm64; else place=$root; fi
    cp "$place/usr/bin/busybox" "$tree/bin/busybox"
    cp "$labs/inside/init" "$tree/init"
    trixie run sh -c "cd $inner/initrd && find . | cpio --quiet -o -H newc" >"$work/initrd.cpio"
    cp "$root$shelf/$architecture"/boot/vmlinuz-"$version" "$work/vmlinuz"
}

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
    port=$(freePort)
    echo "lab=$name scripts='$scripts'" >"$work/settings"
    share() { echo -virtfs "local,path=$1,mount_tag=$2,security_model=none,readonly=on,multidevs=remap"; }
    set -m
    # shellcheck disable=SC2046
    trixie run "$program" "${computer[@]}" -m "$memory" -smp "$cpus" -display none -monitor none -no-reboot \
        -serial stdio -kernel "$inner/vmlinuz" -initrd "$inner/initrd.cpio" \
        -append "console=$console quiet panic=-1 $kernelArguments" \
        -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-:1234" -device virtio-net-pci,netdev=net,romfile= \
        $(share "$world" world) $(share /mnt checkout) $(share "$products" products) $(share "$inner" run) \
        >"$work/console" 2>"$work/emulator.log" </dev/null &
    qemu=$!
    set +m
}

# Waits until the inner machine has said a line that begins so, and prints it.
heard() {
    local line
    while ! line=$(grep -am 1 "^$1" "$work/console"); do
        kill -0 "$qemu" 2>/dev/null || { cat "$work/emulator.log"; tail -n 50 "$work/console"; return 1; }
        sleep 0.2
    done
    tr -d '\r' <<<"$line"
}

# The part of a script that runs here, and what the one inside said from its beginning to its end.
follow() {
    heard "lab: begin $1" >/dev/null
    local outside=0 end
    if [[ -x $labs/outside/$1 ]]; then PORT=$port CONSOLE=$work/console "$labs/outside/$1" || outside=$?; fi
    [[ $outside == 0 ]] || echo "outside: exit status $outside"
    end=$(heard "lab: end $1")
    tr -d '\r' <"$work/console" | sed -n "/^lab: begin $1\$/,/^lab: end $1 /p"
    [[ $outside == 0 && $end == "lab: end $1 0" ]]
}
