# What debugging a kernel through stubvisor wants of gdb, and a few commands. `stubvisor debug` sources this; by hand:
#     gdb -x gdb/stubvisor.gdb vmlinux -ex 'target remote :1234'
# It may be sourced again at any time. What is taste alone (assembly flavour, history, colours) stays as you have it.

# Scripts and long answers of `monitor` must not wait for a key, nor quitting for a yes: the guest is disposable.
set pagination off
set confirm off

# A kernel just started is still listening for its debugger, and one on a slow host answers late.
set tcp auto-retry on
set tcp connect-timeout 10
set remotetimeout 10

# A kernel is no program of this host: without a connection `run` and `attach` must not make it one.
set auto-connect-native-target off

# Kernels run at virtual addresses that no memory map has; stubvisor translates them.
set mem inaccessible-by-default off

# Symbols of modules come later.
set breakpoint pending on

# Where there is no source, show the instruction.
set disassemble-next-line auto

# A kernel's main has callers too; a wrecked stack would have them for ever.
set backtrace past-main on
set backtrace limit 256

set print pretty on

define why
    monitor why
end
document why
Why the guest stopped, in stubvisor's words: the exit, the vector, the address.
For a triple fault also which exception began it.
end

define cpus
    info threads
    monitor status
end
document cpus
Every CPU: where it is (gdb's threads) and what it does (stubvisor's status).
end

define sysregs
    info registers cr0 cr2 cr3 cr4 cr8 efer xcr0 apic_base gdtr_base gdtr_limit idtr_base idtr_limit tr ldtr
    info registers fs_base gs_base k_gs_base star lstar fmask dr6 dr7
end
document sysregs
The CPU's system registers, flags by name. (gdb's `info registers system` knows no registers on x86.)
end

define chapter-pause
    shell printf '\n[Enter, or q to quit] '; read -r line && [ "$line" != q ]
    if $_isvoid($_shell_exitcode)
        quit 0
    end
    if $_shell_exitcode != 0
        quit 0
    end
end
document chapter-pause
Waits for Enter between the chapters of `stubvisor demo`; q, or the end of input, quits.
end

define csip
    # Segment registers hold paragraphs in real mode. A stub without $ip has the linear address in $pc still.
    if $_isvoid($ip)
        set $_offset = (unsigned long) $pc - ((unsigned long) $cs << 4)
    else
        set $_offset = (unsigned long) $ip
    end
    printf "CS:IP %04lx:%04lx  linear %05lx\n", (unsigned long) $cs & 0xffff, $_offset & 0xffff, (unsigned long) $pc
    printf "SS:SP %04lx:%04lx  linear %05lx\n", (unsigned long) $ss & 0xffff, (unsigned long) $sp & 0xffff, \
        (((unsigned long) $ss & 0xffff) << 4) + ((unsigned long) $sp & 0xffff)
end
document csip
Where a CPU in real mode is: CS:IP and SS:SP as the program sees them, and their linear addresses.
Breakpoints and `x` want linear addresses. Meant for frame 0: segments are the CPU's, whichever frame is selected.
end
