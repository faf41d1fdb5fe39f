# Exceptions at their handlers' first instructions; a processor that sleeps.
monitor catch exception brk
continue
expect (long)$pc (long)&vectors+0x200
expect ($esr_el1>>26) 0x3c
expect breaks 0
monitor uncatch 1
# Another class passes.
monitor catch exception svc
continue
expect (long)$pc (long)&vectors+0x200
expect ($esr_el1>>26) 0x15
expect calls 0
expect breaks 1
monitor uncatch 2
# The timer is far away when the guest comes to unmask its interrupt and waits for that.
tbreak start_timer
continue
set $place = (unsigned long)$pc
while *(unsigned*)$place != 0xd50342ff
    set $place = $place + 4
end
tbreak *$place
continue
set $cntv_cval_el0 = 0x7fffffffffffffff
monitor catch wfi
continue
expect *(unsigned*)($pc-4) 0xd503207f
expect calls 1
expect ticks 0
monitor uncatch 3
set $cntv_cval_el0 = 0
# A breakpoint of the client's own on the vector is told as such.
hbreak *((long)&vectors+0x280)
continue
expect (long)$pc (long)&vectors+0x280
delete
monitor catch exception all
tbreak report
continue
set var what = (const char *)0x4000000000000000
continue
expect (long)$pc (long)&vectors+0x200
expect ($esr_el1>>26) 0x25
expect $far_el1 0x4000000000000000
monitor why
delete
monitor uncatch 4
# The handler comes back to the same access, and finds its vectors gone.
set $base = $vbar_el1
set $vbar_el1 = 0x1000
continue
expect (long)$pc 0x1200
expect $elr_el1 0x1200
monitor why
# A step that comes to no end is forgotten with it.
stepi
set $vbar_el1 = $base
set $pc = power_off
stepi
expect (long)$pc (long)power_off+4
# A processor that switches itself off, alone: CPU_OFF of PSCI 0.2, where SYSTEM_OFF was.
set $pc = power_off
while *(unsigned*)$pc != 0xd4000002
    set $pc = $pc + 4
end
set $x0 = 0x84000002
continue
monitor why
kill
