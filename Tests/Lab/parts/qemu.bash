# The inner machine by QEMU: kernel and first files are handed over, folders are shared by 9P, the network is virtio's.

# Modules that the inner kernel lacks by itself: files and the network, files over files; and KVM.
modules=(virtio_pci 9p 9pnet_virtio overlay virtio_net "${extraModules[@]}")

# Folders are shared as they are.
disks() { :; }

# Runs the inner machine. What it says is in $work/console; its port 1234 is $port here.
start() {
    local world=/
    [[ $architecture != arm64 ]] || world=$shelf/arm64
    share() { echo -virtfs "local,path=$1,mount_tag=$2,security_model=none,readonly=on,multidevs=remap"; }
    # shellcheck disable=SC2046
    trixie run "$program" "${computer[@]}" -m "$memory" -smp "$cpus" -display none -monitor none -no-reboot \
        -serial stdio -kernel "$first/vmlinuz" -initrd "$first/initrd.cpio" \
        -append "console=$console quiet panic=-1 $kernelArguments" \
        -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-:1234" -device virtio-net-pci,netdev=net,romfile= \
        $(share "$world" world) $(share /mnt checkout) $(share "$products" products) $(share "$inner" run) \
        >"$work/console"
}
