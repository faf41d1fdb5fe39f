# Steps over BRK, SVC and what unmasks interrupts: each ends where the processor's would, and none in an interrupt.
tbreak on_break
tbreak main
continue
# To the guest's own BRK, with a planted breakpoint on it too: that is told first, then the guest gets its own.
set $own = 0
x/12i $pc
set $place = (unsigned long)$pc
while *(unsigned int *)$place != 0xd4202460
    set $place = $place + 4
end
tbreak *$place
continue
expect (long)$pc $place
stepi
expect (long)$pc (long)&vectors+0x200
expect $elr_el1 $place
expect ($esr_el1>>26) 0x3c
expect ($esr_el1&0xffff) 0x123
continue
# on_break
expect breaks 0
set $place = $place + 4
tbreak *$place
continue
expect breaks 1
while *(unsigned int *)$place != 0xd40000e1
    set $place = $place + 4
end
tbreak *$place
continue
stepi
expect (long)$pc (long)&vectors+0x200
expect $elr_el1 $place+4
# Of how it was stepped nothing is saved.
expect ($spsr_el1&0x200000) 0
# One step over a load-exclusive ends behind its store.
tbreak add_exclusive
continue
set $place = (unsigned long)$pc
while (*(unsigned *)$place&0xfffffc00) != 0xc85f7c00
    set $place = $place + 4
end
tbreak *$place
continue
stepi
expect (long)$pc $place+12
expect shared 5
# So does a line that has it; and a watchpoint, which is told before the store, lets it through.
tbreak add_exclusive
continue
next
finish
expect shared 11
tbreak add_exclusive
continue
watch shared
continue
expect shared 18
delete
# Interrupts are unmasked, and the timer's waits: steps stay where they are.
tbreak start_timer
continue
set $place = (unsigned long)$pc
while *(unsigned int *)$place != 0xd50342ff
    set $place = $place + 4
end
tbreak *$place
continue
expect ($cpsr&0x80) 0x80
set $cntv_cval_el0 = 0
stepi
expect ($cpsr&0x80) 0
expect (long)$pc $place+4
stepi
expect ($cpsr&0x80) 0
expect ticks 0
stepi
expect ticks 0
expect others 0
tbreak on_tick
continue
expect ticks 0
finish
expect ticks 1
continue
