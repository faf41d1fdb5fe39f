# The way of an interrupt to a processor and back, as the controller itself shows it: waiting at the first instruction of
# the handler, active once that has acknowledged it, and neither after its end.

import json
import os

import gdb

HANDLER = "(long)&vectors+0x280"


def ask(command):
    return json.loads(gdb.execute(f"monitor {command} --json", to_string=True))


def value(expression):
    return int(gdb.parse_and_eval(expression))


def expect(what, found, wanted):
    if found != wanted:
        raise gdb.GdbError(f"{what}: expected {wanted}, found {found}")


def row(number, cpu):
    rows = [row for row in ask(f"info irqs all cpu {cpu}") if row["id"] == str(number)]
    expect(f"rows of interrupt {number}", len(rows), 1)
    return rows[0]


def reach(function):
    gdb.Breakpoint(function, temporary=True)
    gdb.execute("continue", to_string=True)


class Flow:
    """One interrupt, caught on its way to the processor `cpu`."""

    catches = 0

    def __init__(self, title, number):
        self.title, self.number = title, number
        gdb.execute(f"monitor catch irq {number}", to_string=True)
        Flow.catches += 1
        gdb.execute("continue")
        self.cpu = gdb.selected_thread().num - 1
        expect("the handler", value("(long)$pc"), value(HANDLER))
        gdb.execute(f"monitor uncatch {Flow.catches}", to_string=True)
        # From here on this processor goes alone.
        gdb.execute("set scheduler-locking on")
        self.station("reached its handler", pending=True, active=False)

    def station(self, what, **wanted):
        found = row(self.number, self.cpu)
        for key, word in wanted.items():
            expect(f"{self.title} {self.number} {what}, {key}", found[key], word)
        print(f"  {self.title} {self.number} on cpu {self.cpu} {what}: " + json.dumps(found))

    def end(self):
        self.station("ended", active=False)
        gdb.execute("set scheduler-locking off")


def demo():
    for title, number in [("virtual timer", 27), ("UART", 33), ("message", 1)]:
        flow = Flow(title, number)
        if number == 1:
            flow.station("came", source=1 - flow.cpu)
        # The handler's first write to the CPU interface is the end.
        reach("interface_write")
        flow.station("was acknowledged", active=True)
        gdb.execute("finish", to_string=True)
        flow.end()


def traps():
    flow = Flow("physical timer", 30)
    reach("on_physical_tick")
    flow.station("was acknowledged", active=True)
    reach("power_off")
    flow.end()


{"gicdemo-arm64.elf": demo, "armtraps.elf": traps}[os.path.basename(gdb.current_progspace().filename)]()
gdb.execute("kill")
