// States in which an interrupt does not come through, each for one reason: for debuggers to explain.
#pragma once
#include "../common/types.h"

// Which one to be in when all else is done; none when 0. Set by a debugger.
extern volatile int situation;

// Gets into the state that `situation` names, and never returns.
_Noreturn void arrange_situation(void);
// The state stands: a place for a breakpoint.
void in_situation(void);
// Calls it, and never returns.
_Noreturn void stay(void);
