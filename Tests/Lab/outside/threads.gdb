# Both processors as threads: a breakpoint on one of them, the other's registers, one that steps alone.
info threads
expect $_thread 1
# One that another starts while it stands still has other registers, and keeps those that are written then.
set $place = (unsigned long)call
while *(unsigned *)$place != 0xd4000002
    set $place = $place + 4
end
tbreak *$place
continue
set scheduler-locking on
stepi
expect $x0 0
thread 2
maintenance flush register-cache
expect (long)$pc (long)secondary_start
set $x7 = 0x77
thread 1
set scheduler-locking off
break on_message
continue
expect $_thread 2
info threads
expect source 0
thread 1
frame
thread 2
finish
expect received 1
delete
set scheduler-locking on
set $other = counters[0]
stepi
stepi
expect counters[0] $other
set scheduler-locking off
break on_message if received == 9
continue
expect received 9
expect $_thread 2
delete
detach
