# A hardware breakpoint before the MMU is on, memory by the kernel's own tables, a planted breakpoint, both processors.
hbreak *$start_kernel
continue
expect $pc $start_kernel
expect $cpsr&0xc 4
expect *(long*)$linux_banner 0x65762078756e694c
x/s $linux_banner
x/4i $pc
stepi
expect $pc $start_kernel+4
delete
tbreak *$run_init_process
continue
expect $pc $run_init_process
info threads
monitor info cpus
monitor info gic
monitor status
backtrace 3
# The shell's first instructions, at EL0: the same three ways. Fetching the very first one is a page fault.
hbreak *($user+4)
continue
expect $pc $user+4
expect $cpsr&0xf 0
info threads
stepi
expect $pc $user+8
delete
tbreak *($user+12)
continue
expect $pc $user+12
delete
detach
