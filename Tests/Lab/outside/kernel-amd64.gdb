# A hardware breakpoint, then planted ones: once in the boot thread, in the first process before it leaves the kernel, and
# again and again in what every process calls; a step from there, memory by the kernel's own tables, the shell's own code.
hbreak *$start_kernel
continue
expect $pc $start_kernel
expect *(long*)$linux_banner 0x65762078756e694c
stepi
expect ($pc>$start_kernel) 1
delete
break *$rest_init
break *$run_init_process
continue
expect $pc $rest_init
continue
expect $pc $run_init_process
info threads
monitor status
# The first process opens the files that it wants. The breakpoints before stay.
break *$do_sys_openat2
continue
expect $pc $do_sys_openat2
stepi
expect ($pc>$do_sys_openat2) 1
continue
expect $pc $do_sys_openat2
monitor breakpoints
delete
# At CPL 3, the shell: its first instructions have 2 and 3 bytes.
hbreak *($user+2)
continue
expect $pc $user+2
expect $cs&3 3
delete
tbreak *($user+5)
continue
expect $pc $user+5
delete
# To its end: it powers off.
continue
expect $_exitcode 0
