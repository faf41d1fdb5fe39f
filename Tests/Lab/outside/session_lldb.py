# A session of LLDB's, part by part, as session.gdb is one of gdb's. Run by lldb's own Python.

import os
import sys
import threading
import traceback

import lldb

# What differs between architectures: registers to be written, one of them a system register; a vector register; how
# long an instruction can be.
ROWS, VECTOR, LENGTHS = {
    "arm64": ([("x27", "0x1234567890abcdef"), ("vbar_el1", "0x40081800")], "v3", [4]),
    "amd64": ([("r12", "0x1234567890abcdef"), ("lstar", "0x101800")], "xmm3", range(1, 16)),
}[os.environ["ARCHITECTURE"]]


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: expected {wanted}, found {found}")
    print(f"{what}: {found}")


class Session:
    def __init__(self, debugger):
        debugger.SetAsync(False)
        self.debugger = debugger
        self.target = debugger.CreateTarget(os.environ["GUEST"])
        self.connect()

    def connect(self):
        # Of itself it waits for the first stop, as ConnectRemote does not.
        self.commanded(f"gdb-remote 127.0.0.1:{os.environ['PORT']}")
        self.process = self.target.GetProcess()
        expect("processors", self.process.GetNumThreads(), int(os.environ["CPUS"]))

    # MARK: What there is

    @property
    def thread(self):
        return self.process.GetSelectedThread()

    @property
    def frame(self):
        return self.thread.GetFrameAtIndex(0)

    def value(self, expression):
        found = self.frame.EvaluateExpression(expression)
        if found.GetError().Fail():
            raise AssertionError(f"{expression}: {found.GetError()}")
        return found.GetValueAsUnsigned()

    def register(self, name):
        return self.frame.FindRegister(name)

    # MARK: What is done

    def goes_on(self):
        error = self.process.Continue()
        expect("error of continue", error.GetCString(), None)

    def stopped(self, function, reason):
        expect("function", self.frame.GetFunctionName(), function)
        expect("reason", self.thread.GetStopReason(), reason)

    def commanded(self, command):
        result = lldb.SBCommandReturnObject()
        self.debugger.GetCommandInterpreter().HandleCommand(command, result)
        expect(command, (result.Succeeded(), result.GetError()), (True, ""))


def breakpoints(session):
    planted = session.target.BreakpointCreateByName("factorial")
    planted.SetCondition("n == 3")
    session.goes_on()
    session.stopped("factorial", lldb.eStopReasonBreakpoint)
    expect("n", session.value("n"), 3)
    expect("callers", [frame.GetFunctionName() for frame in session.thread][:4], ["factorial"] * 3 + ["main"])
    planted.SetEnabled(False)
    session.thread.StepOut()
    expect("what factorial gave back", session.thread.GetStopReturnValue().GetValueAsUnsigned(), 6)

    session.commanded("breakpoint set --hardware --name tick")
    session.goes_on()
    session.stopped("tick", lldb.eStopReasonBreakpoint)
    expect("counter", session.value("counter"), 0)
    session.commanded("breakpoint delete --force")


def steps(session):
    session.thread.StepOver()
    session.stopped("tick", lldb.eStopReasonPlanComplete)
    expect("counter", session.value("counter"), 1)
    place = session.frame.GetPC()
    session.thread.StepInstruction(False)
    expect("one instruction", session.frame.GetPC() - place in LENGTHS, True)


def watchpoints(session):
    session.commanded("watchpoint set variable counter")
    session.goes_on()
    session.stopped("tick", lldb.eStopReasonWatchpoint)
    expect("counter", session.value("counter"), 2)
    session.target.DeleteAllWatchpoints()


def registers(session):
    for name, value in ROWS:
        before = session.register(name).GetValue()
        session.commanded(f"register write {name} {value}")
        expect(name, session.register(name).GetValueAsUnsigned(), int(value, 16))
        session.commanded(f"register write {name} {before}")
    session.commanded("register write %s \"{%s}\"" % (VECTOR, " ".join(f"{byte:#x}" for byte in range(1, 17))))
    data = session.register(VECTOR).GetData()
    expect(VECTOR, [data.GetUnsignedInt8(lldb.SBError(), at) for at in range(16)], list(range(1, 17)))


def memory(session):
    error = lldb.SBError()
    address = session.target.FindFirstGlobalVariable("machine").GetChildMemberWithName("ticks").GetLoadAddress()
    session.process.WriteMemory(address, (99).to_bytes(8, "little"), error)
    expect("error of the write", error.GetCString(), None)
    expect("ticks", int.from_bytes(session.process.ReadMemory(address, 8, error), "little"), 99)


def interrupted(session):
    session.value("spin = 1")
    if os.environ["LAB"].startswith("vmx"):
        # As in `session`.
        session.commanded(f"register write eflags {session.register('eflags').GetValueAsUnsigned() | 0x200:#x}")
    # There is nothing to see of a guest that has begun to run; LLDB keeps an interrupt that comes before.
    timer = threading.Timer(3, session.process.SendAsyncInterrupt)
    timer.start()
    session.goes_on()
    expect("function", session.frame.GetFunctionName(), "main")
    expect("spins", session.value("spins") > 0, True)


def left_alone(session):
    session.process.Detach()
    session.connect()
    expect("function", session.frame.GetFunctionName(), "main")
    session.value("spin = 0")
    session.goes_on()
    expect("state", session.process.GetState(), lldb.eStateExited)
    expect("exit status", session.process.GetExitStatus(), 0)


def __lldb_init_module(debugger, _):
    status = 0
    try:
        session = Session(debugger)
        for part in [breakpoints, steps, watchpoints, registers, memory, interrupted, left_alone]:
            print(f"-- {part.__name__}")
            part(session)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        status = 1
    sys.stdout.flush()
    os._exit(status)
