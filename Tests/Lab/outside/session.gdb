# break, hbreak, watch, step, finish, threads, memory, registers written and read back, Ctrl-C, detach.
info registers pc sp cpsr
break factorial
continue
backtrace
finish
delete
hbreak tick
continue
info threads
delete
watch counter
continue
continue
delete
stepi
stepi
x/4i $pc
set var $x27 = 0x1234567890abcdef
p/x $x27
set var $v3.d.u[0] = 0x1122334455667788
p/x $v3.d.u
p/x $vbar_el1
set var $vbar_el1 = 0x40081800
p/x $vbar_el1
p machine
set var machine.ticks = 99
p machine.ticks
monitor status
monitor why
monitor info exits
monitor breakpoints
break checksum
continue
p *m
delete
set var spin = 1
shell (sleep 4; kill -INT $PPID) &
continue
info threads
set var spin = 0
# From the first instruction on again, with a breakpoint kept.
break greet
monitor reset
continue
expect counter 0
delete
detach
