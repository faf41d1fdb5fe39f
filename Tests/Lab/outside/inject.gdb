# Interrupt 33 made by hand: what stands in its way, its handler's first instruction, its acknowledgement, its end.
set var situation = 1
tbreak in_situation
continue
set $hits = line_hits
monitor info gic
monitor info irqs
monitor irq why 33
monitor inject-irq 33
monitor irq show 33
tbreak on_uart
continue
monitor info irqs active
expect line_hits $hits
finish
expect line_hits $hits+1
tbreak relax
continue
# The handler's first instruction, with nothing acknowledged.
monitor catch irq 33
monitor inject-irq 33
continue
expect (long)$pc (long)&vectors+0x280
expect line_hits $hits+1
monitor info irqs pending
monitor uncatch 1
tbreak on_uart
continue
delete
tbreak relax
continue
# Held off by the Distributor, then let go.
monitor irq mask 33
monitor inject-irq 33
monitor irq why 33
monitor irq unmask 33
tbreak on_uart
continue
expect line_hits $hits+2
monitor clear-irq 33
monitor irq priority 33 0xb0
monitor irq show 33
# A message from one processor to the other.
set $sent = messages[1]
monitor inject-sgi 1 from 0 to 2
monitor info irqs pending
delete
tbreak relax
continue
monitor irq trace 12
monitor irq stats 33
monitor info mtree
kill
