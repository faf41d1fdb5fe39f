# A session from the first instruction to the last: breakpoints of both kinds, a watchpoint, steps, calls and returns,
# registers, memory, threads, Ctrl-C, a guest left alone and found again, and started anew. `registers` is the
# architecture's own part.
info threads
expect $_inferior_thread_count $cpus
break factorial if n == 3
continue
expect $_caller_is("factorial",0) 1
expect n 3
backtrace
delete
finish
expect $ 6
expect n 4
break main
tbreak tick
continue
expect $_caller_is("tick",0) 1
expect $_caller_is("main",1) 1
finish
expect counter 1
delete

hbreak tick
continue
expect $_caller_is("tick",0) 1
expect counter 1
step
expect counter 2
expect machine.ticks 2
next
expect machine.ticks 4
set $place = (long)$pc
stepi
expect ((long)$pc>$place) 1
delete

watch counter
continue
expect counter 3
expect $_caller_is("tick",0) 1
continue
expect counter 4
monitor breakpoints
delete

registers
set var machine.ticks = 99
maintenance flush register-cache
expect machine.ticks 99
find machine.name, +64, 'v', 'i', 's', 'o', 'r'
expect $numfound 1
expect (long)$_ (long)machine.name+4
break checksum
continue
expect counter 10
expect m->ticks 113
finish
expect $ (113*31+machine.ports.console)*31+machine.ports.power
monitor why
monitor status
monitor info exits
delete

# Busy, until the debugger says that it is not: interrupted, then left alone until it has gone on without a debugger.
set var spin = 1
if $takes_interrupts
    set var $eflags = $eflags|0x200
end
shell (sleep 2; kill -INT $PPID) &
continue
info threads
expect $_caller_is("main",0) 1
expect (spins>0) 1
set $before = spins
while spins == $before
    detach
    shell sleep 1
    eval "target remote 127.0.0.1:%d", $port
end
expect $_inferior_thread_count $cpus
expect $_caller_is("main",0) 1
set var spin = 0

# From the first instruction on again, with a breakpoint kept.
break greet
monitor reset
continue
expect $_caller_is("greet",0) 1
expect counter 0
delete
continue
expect $_exitcode 0
