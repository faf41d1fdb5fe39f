# Both processors as threads: a breakpoint on one of them, the other's registers, one that steps alone.
info threads
expect $_thread 1
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
