# The inner machine by Bochs, which emulates VMX: it boots from a CD-ROM made by GRUB, has its files on two ATA disks,
# made of folders, and an e1000 for the network. There is nothing of it but what bochsrc says.

# Modules that the inner kernel lacks by itself: disks and the network, files over files; and KVM.
modules=(ata_piix sd_mod ext4 overlay e1000 "${extraModules[@]}")

# The disc to boot from, and a disk with this root as the inner machine's. Made once.
disks() {
    local arguments="console=$console,115200 quiet panic=-1 $kernelArguments"
    kept disc "$(declare -f bootDisc; cat "$root$first/initrd.key"; echo "$arguments")" bootDisc "$first" "$arguments"
    kept world "$(declare -f worldDisk diskOf; cksum <"$root/var/lib/dpkg/status")" worldDisk "$first"
}

# bootDisc FIRST ARGUMENTS: in the root.
bootDisc() {
    local first=$1 tree
    tree=$(mktemp -d)
    mkdir -p "$tree/boot/grub"
    cp -L "$first/vmlinuz" "$first/initrd.cpio" "$tree/boot/"
    printf '%s\n' "linux /boot/vmlinuz $2" 'initrd /boot/initrd.cpio' boot >"$tree/boot/grub/grub.cfg"
    grub-mkrescue -o "$first/disc.iso" "$tree"
    rm -rf "$tree"
}

# diskOf FOLDER LABEL FILE: in the root, a file system with what is in the folder.
diskOf() {
    local kilobytes
    kilobytes=$(du -sk "$1" | cut -f 1)
    rm -f "$3"
    mke2fs -q -t ext2 -L "$2" -m 0 -d "$1" "$3" "$((kilobytes + kilobytes / 8 + 16384))k"
}

# worldDisk FIRST: in the root, all of it that a program may want, less compilers and emulators.
worldDisk() {
    local tree swift=usr/libexec/swift/lib/swift/linux
    tree=$(mktemp -d)
    mkdir -p "$tree/usr/libexec/swift/lib/swift" "$tree/var"
    cp -al /bin /etc /lib /lib64 /sbin "$tree"
    cp -al /usr/{bin,lib,lib64,sbin,share} "$tree/usr"
    cp -al "/$swift" "$tree/usr/libexec/swift/lib/swift"
    rm -rf "$tree"/usr/share/{doc,info,icons,locale,man,mime} "$tree"/usr/lib/{gcc,git-core,grub} \
        "$tree/$swift"/*.swiftmodule
    diskOf "$tree" world "$1/world.img"
    rm -rf "$tree"
}

# runDisk FOLDER PRODUCTS: in the root, what changes with each run: programs, guests, the checkout, and the scripts' names.
runDisk() {
    local work=$1 products=$2 tree
    tree=$(mktemp -d)
    mkdir -p "$tree"/{products/release,run,checkout}
    cp -al "$products/guests" "$tree/products"
    find "$products/release/" -maxdepth 1 -type f -perm /111 -exec cp -al {} "$tree/products/release" \;
    cp "$work/settings" "$tree/run"
    tar -C /mnt --exclude=./.build --exclude=./.git -c . | tar -C "$tree/checkout" -x
    diskOf "$tree" run "$work/run.img"
    rm -rf "$tree"
}

# Runs the inner machine. What it says is in $work/console; its port 1234 is $port here.
start() {
    inRoot runDisk "$inner" "$products"
    # Bochs writes a lock beside each of its disks.
    ln -f "$root$first/world.img" "$work/world.img"
    # The first line is the format's name.
    printf '%s\n' '# slirp config' 'restricted = 1' "hostfwd = tcp:127.0.0.1:$port-10.0.2.15:1234" >"$work/network"
    # Debian's Bochs begins in its debugger.
    echo c >"$work/commands"
    cat >"$work/bochsrc" <<BOCHSRC
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model=$computer, count=$cpus, ips=100000000, ignore_bad_msrs=1
clock: sync=none, time0=utc
megs: $memory
pci: enabled=1, chipset=i440fx, slot1=e1000
boot: cdrom
ata0-master: type=cdrom, path=$first/disc.iso, status=inserted
ata0-slave: type=disk, mode=flat, path=$inner/world.img
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata1-master: type=disk, mode=flat, path=$inner/run.img
com1: enabled=1, mode=file, dev=$inner/console
e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script=$inner/network
speaker: enabled=0
sound: waveoutdrv=dummy
log: $inner/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
BOCHSRC
    # Its screen is of no interest.
    trixie run env TERM=dumb bochs-bin -q -f "$inner/bochsrc" -rc "$inner/commands" >/dev/null || tail -n 20 "$work/bochs.log"
}
