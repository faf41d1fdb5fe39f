# The kernel's GICv3: a timer's interrupt, the PL011's and a message between processors, each at its handler's first
# instruction; registers read as memory; every way to change one; a reset.
set $distributor = 0x08000000
set $private = 0x080b0000
monitor irq why 33
# The virtual timer.
monitor catch irq 27
continue
expect (long)$pc (long)&vectors+0x280
expect ticks[$_thread-1] 0
monitor info irqs pending
monitor irq show 27
monitor uncatch 1
# The other processor may have stopped there too, which is told next.
tbreak line
while (long)$pc < (long)&line || (long)$pc > (long)&line+64
    continue
end
# The PL011's line, a level.
monitor catch irq 33
continue
expect (long)$pc (long)&vectors+0x280
expect line_hits 0
monitor info irqs pending
monitor uncatch 2
# A message; the second processor has sent some already.
set $first = messages[0]
set $second = messages[1]
monitor catch irq 1
continue
expect (long)$pc (long)&vectors+0x280
expect messages[0] $first
expect messages[1] $second
monitor info irqs pending
monitor uncatch 3
# Registers as memory: GICD_CTLR, GICR_ISENABLER0, GICD_ISENABLER1, GICR_TYPER of the second processor.
set var situation = 1
tbreak in_situation
continue
expect (*(unsigned*)$distributor&0x12) 0x12
expect *(unsigned*)($private+0x100) 0x0800ffff
expect (*(unsigned*)($distributor+0x104)&2) 2
expect *(unsigned*)0x080c000c 1
monitor info gic raw
# Another route: the second processor takes it, which sleeps.
monitor irq route 33 3
monitor irq route 33 2
expect *(unsigned*)($distributor+0x6108) 1
monitor inject-irq 33
tbreak on_uart
continue
expect $_thread 2
monitor irq route 33 1
expect *(unsigned*)($distributor+0x6108) 0
# Another group, for which nobody listens.
monitor irq group 33 0
expect (*(unsigned*)($distributor+0x84)&2) 0
monitor inject-irq 33
monitor irq why 33
monitor irq group 33 1
expect (*(unsigned*)($distributor+0x84)&2) 2
monitor clear-irq 33
expect (*(unsigned*)($distributor+0x204)&2) 0
# A level, of an input that nobody has, and of one that the kernel drives.
monitor inject-irq 20 cpu 0
expect (*(unsigned*)($private+0x200)>>20&1) 1
monitor lower-irq 20 cpu 0
expect (*(unsigned*)($private+0x200)>>20&1) 0
monitor inject-irq 27 cpu 0
# A message by hand, to the processor that runs.
thread 1
delete
tbreak relax thread 1
continue
set $had = messages[0]
monitor inject-sgi 1 from 1 to 1
tbreak handle if id == 1
continue
expect self 0
finish
expect messages[0] $had+1
# From the beginning: nothing is left on, and everything comes as before.
monitor reset
monitor info irqs
expect (*(unsigned*)$distributor&2) 0
expect *(unsigned*)($private+0x100) 0
expect ticks[0] 0
delete
continue
