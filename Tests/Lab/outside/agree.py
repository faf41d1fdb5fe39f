# What the interrupt controller shows at some places of the guest; lines that begin with "shown:" are to be compared.

import json
import os

import gdb

# What only the built-in controller can tell: when and how often, and a line apart from the latch.
RECORDED = {"count", "last_ns", "line"}


def show(place):
    for command in ("info gic", "info gic raw"):
        for line in gdb.execute(f"monitor {command}", to_string=True).splitlines():
            # In which order, the kernel does not tell.
            if "acknowledged, not ended" in line:
                continue
            print(f"shown: {place}: {line}")
    for row in json.loads(gdb.execute("monitor info irqs all --json", to_string=True)):
        kept = {key: word for key, word in row.items() if key not in RECORDED}
        print(f"shown: {place}: {json.dumps(kept)}")


gdb.execute("set var rounds = 3")
gdb.execute(f"set var situation = {os.environ['SITUATION']}")
# The timer waits, the UART's interrupt is active, the situation has come about. While the virtual timer's is active the
# kernel leaves its level to the hardware, and does not show it.
for place in ("take_interrupt", "on_uart", "in_situation"):
    gdb.Breakpoint(place, temporary=True)
    gdb.execute("continue")
    show(place)
gdb.execute("kill")
