# Inside: Debian's own kernel as a guest. Makes first.cpio, its first files: a shell that says what it found and powers off.
mkdir -p first/bin
cp /bin/busybox first/bin/busybox
cat >first/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc
/bin/busybox mount -t proc proc /proc
echo "guest: $(/bin/busybox uname -m), $(/bin/busybox nproc) processors"
/bin/busybox grep -E 'arch_timer|uart|IPI0' /proc/interrupts
/bin/busybox sleep 1
echo "guest: slept"
/bin/busybox poweroff -f
INIT
chmod +x first/init
(cd first && find . | /bin/busybox cpio -o -H newc) >first.cpio
