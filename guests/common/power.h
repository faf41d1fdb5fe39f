// The end of a guest.
#pragma once

_Noreturn void power_off(void);
