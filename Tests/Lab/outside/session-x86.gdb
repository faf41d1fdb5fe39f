# session.gdb with the registers of x86.
info registers rip rsp eflags
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
set var $r12 = 0x1234567890abcdef
p/x $r12
set var $xmm3.v2_int64[0] = 0x1122334455667788
p/x $xmm3.v2_int64
p/x $lstar
set var $lstar = 0x101800
p/x $lstar
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
