// A first guest to debug: calls, recursion, a struct, a counter to watch, and a loop to interrupt.

#include "../common/console.h"
#include "../common/types.h"

enum state { STARTING, RUNNING, DONE };

struct machine {
    const char *name;
    enum state state;
    u64 ticks;
    struct {
        u16 console;
        u16 power;
    } ports;
};

struct machine machine = {.name = "stubvisor", .ports = {.console = 0x3f8, .power = 0x604}};

u64 counter;       // `watch counter` stops in tick()
volatile int spin; // `set var spin = 1` keeps the guest busy after its work, until it is cleared
volatile u64 spins;

static void report(const char *what, u64 value) {
    print(what);
    print(" = ");
    print_number(value);
    print("\n");
}

void greet(const char *name) {
    print("hello, ");
    print(name);
    print("\n");
}

u64 factorial(u64 n) {
    if (n <= 1) return 1;
    u64 smaller = factorial(n - 1);
    return n * smaller;
}

u64 fibonacci(u64 n) {
    if (n < 2) return n;
    return fibonacci(n - 1) + fibonacci(n - 2);
}

void tick(void) {
    counter++;
    machine.ticks += 2;
}

static u64 mix(u64 sum, u64 value) { return sum * 31 + value; }

u64 checksum(const struct machine *m) {
    u64 sum = mix(0, m->ticks);
    sum = mix(sum, m->ports.console);
    return mix(sum, m->ports.power);
}

int main(void) {
    print("hello from the guest\n");
    machine.state = RUNNING;
    greet(machine.name);
    report("factorial(5)", factorial(5));
    report("fibonacci(7)", fibonacci(7));

    for (int i = 0; i < 10; i++) tick();
    report("counter", counter);
    report("checksum", checksum(&machine));

    while (spin) spins++;

    machine.state = DONE;
    print("goodbye\n");
    return 0;
}
