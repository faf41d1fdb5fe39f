# The registers of a session on arm64: general, vector and system, written, and read back from the machine.
define registers
    set $system = $vbar_el1
    set var $x27 = 0x1234567890abcdef
    set var $v3.d.u[0] = 0x1122334455667788
    set var $v3.d.u[1] = 0x99aabbccddeeff00
    set var $vbar_el1 = 0x40081800
    set var $cpsr = $cpsr^0x40000000
    set $flags = $cpsr
    maintenance flush register-cache
    expect $x27 0x1234567890abcdef
    expect $v3.d.u[0] 0x1122334455667788
    expect $v3.d.u[1] 0x99aabbccddeeff00
    expect $vbar_el1 0x40081800
    expect $cpsr $flags
    set var $vbar_el1 = $system
    set var $cpsr = $cpsr^0x40000000
    # The guest's time, which stands still with it, goes on from there.
    set var $cntvct_el0 = 0x500000000000
    stepi
    expect ($cntvct_el0>=0x500000000000) 1
    expect ($cntvct_el0<0x500100000000) 1
    info registers pc sp cpsr
end
source /mnt/Tests/Lab/outside/session.gdb
