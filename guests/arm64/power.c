// Power-off by firmware call: SYSTEM_OFF of PSCI 0.2 (Arm DEN 0022).

#include "../common/power.h"
#include "../common/types.h"

_Noreturn void power_off(void) {
    register u64 function __asm__("x0") = 0x84000008;
    __asm__ volatile("hvc #0" : "+r"(function) : : "memory");
    for (;;) __asm__ volatile("wfi");
}
