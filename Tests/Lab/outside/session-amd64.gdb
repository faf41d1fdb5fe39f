# The registers of a session on x86-64: general, vector and model-specific, written, and read back from the machine.
define registers
    set $system = $lstar
    set var $r12 = 0x1234567890abcdef
    set var $xmm3.v2_int64[0] = 0x1122334455667788
    set var $xmm3.v2_int64[1] = 0x99aabbccddeeff00
    set var $lstar = 0x101800
    set var $eflags = $eflags^0x40
    set $flags = $eflags
    maintenance flush register-cache
    expect $r12 0x1234567890abcdef
    expect $xmm3.v2_int64[0] 0x1122334455667788
    expect $xmm3.v2_int64[1] 0x99aabbccddeeff00
    expect $lstar 0x101800
    expect $eflags $flags
    set var $lstar = $system
    set var $eflags = $eflags^0x40
    info registers rip rsp eflags
end
source /mnt/Tests/Lab/outside/session.gdb
